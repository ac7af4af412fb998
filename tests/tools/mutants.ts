/**
 * Small faults that can be put into a source file, one at a time. Pure: a text in, the faults out.
 *
 * The source is split into tokens, not parsed: it is formatted by `deno fmt`, so that an operator with a space on
 * both sides is one of two operands, and a `<` without spaces belongs to a type.
 *
 * @module
 */

/** One fault: `source` with the text from `start` to `end` replaced. */
export interface Mutant {
  readonly kind: MutantKind;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** From 1. */
  readonly line: number;
  /** What changes, on one line. */
  readonly change: string;
}

/** What kinds of faults there are. */
export type MutantKind = "condition" | "comparison" | "logic" | "arithmetic" | "call" | "constant" | "return";

/** One token. */
export interface Token {
  readonly kind: "word" | "number" | "text" | "sign";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const SIGNS = [
  "...",
  ">>>=",
  "===",
  "!==",
  "**=",
  "<<=",
  ">>=",
  ">>>",
  "&&=",
  "||=",
  "??=",
  "=>",
  "==",
  "!=",
  "<=",
  ">=",
  "&&",
  "||",
  "??",
  "?.",
  "++",
  "--",
  "+=",
  "-=",
  "*=",
  "/=",
  "%=",
  "**",
  "<<",
  ">>",
].sort((a, b) => b.length - a.length);

/** Words after which a `/` begins a regular expression. */
const BEFORE_REGEX = new Set(["return", "typeof", "case", "in", "of", "void", "else", "await", "yield"]);
const WORD = /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /0[xXbBoO][\da-fA-F_]+n?|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?n?|\.\d[\d_]*/y;
const REGEX = /\/(?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const TEXT = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/sy;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;

/** Splits a source into tokens; comments and spaces are left out. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  while (at < source.length) {
    if (/\s/.test(source[at]!)) {
      at++;
      continue;
    }
    const comment = match(COMMENT);
    if (comment !== undefined) {
      at += comment.length;
      continue;
    }
    let kind: Token["kind"] = "sign";
    let text = match(NUMBER);
    if (text !== undefined) kind = "number";
    else if ((text = match(WORD)) !== undefined) kind = "word";
    else if ((text = match(TEXT)) !== undefined) kind = "text";
    else if (source[at] === "`") {
      kind = "text";
      text = source.slice(at, endOfTemplate(source, at));
    } else if (source[at] === "/" && mayBeRegex(tokens.at(-1)) && (text = match(REGEX)) !== undefined) {
      kind = "text";
    } else text = SIGNS.find((sign) => source.startsWith(sign, at)) ?? source[at]!;
    tokens.push({ kind, text, start: at, end: at + text.length });
    at += text.length;
  }
  return tokens;
}

function mayBeRegex(before: Token | undefined): boolean {
  if (before === undefined) return true;
  if (before.kind === "word") return BEFORE_REGEX.has(before.text);
  return before.kind === "sign" && ![")", "]", "}"].includes(before.text);
}

/** The place behind a template literal that begins at `at`, with the expressions in it. */
function endOfTemplate(source: string, at: number): number {
  for (let i = at + 1; i < source.length; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === "`") return i + 1;
    else if (source.startsWith("${", i)) {
      let depth = 1;
      for (i += 2; depth > 0 && i < source.length; i++) {
        if (source[i] === "{") depth++;
        else if (source[i] === "}") depth--;
        else if (source[i] === "`") i = endOfTemplate(source, i) - 1;
      }
      i--;
    }
  }
  return source.length;
}

const COMPARISON: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
};
const LOGIC: Readonly<Record<string, string>> = { "&&": "||", "||": "&&" };
const ARITHMETIC: Readonly<Record<string, string>> = {
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "+=": "-=",
  "-=": "+=",
  "++": "--",
  "--": "++",
};
/** Words that begin something else than a call. */
const NO_CALL = new Set([
  ...[
    "return",
    "const",
    "let",
    "var",
    "if",
    "for",
    "while",
    "do",
    "switch",
    "throw",
    "function",
    "class",
    "super",
  ],
  ...[
    "case",
    "default",
    "import",
    "export",
    "new",
    "delete",
    "typeof",
    "yield",
    "try",
    "catch",
    "finally",
    "else",
  ],
]);

/** All faults that can be put into `source`, in the order of their places. */
export function findMutants(source: string): Mutant[] {
  const tokens = tokenize(source);
  const isType = typesIn(tokens);
  const found: Mutant[] = [];
  const lineOf = (at: number): number => source.slice(0, at).split("\n").length;
  const add = (kind: MutantKind, start: number, end: number, replacement: string): void => {
    const before = shorten(source.slice(start, end)), after = shorten(replacement);
    const change = before === ""
      ? `insert ${after}`
      : after === ""
      ? `drop ${before}`
      : `${before} -> ${after}`;
    found.push({ kind, start, end, replacement, line: lineOf(start), change });
  };
  for (const [i, token] of tokens.entries()) {
    if (isType[i]) continue;
    const { text, start, end } = token;
    const isSpaced = source[start - 1] === " " && /\s/.test(source[end] ?? "");
    if (token.kind === "sign") {
      if (text in COMPARISON && isSpaced && !choosesLarger(tokens, i)) {
        add("comparison", start, end, COMPARISON[text]!);
      } else if (text in LOGIC) add("logic", start, end, LOGIC[text]!);
      else if (text in ARITHMETIC && (isSpaced || text === "++" || text === "--")) {
        add("arithmetic", start, end, ARITHMETIC[text]!);
      }
    } else if (token.kind === "number" && !text.endsWith("n") && !isFarBelow(tokens, i)) {
      add("constant", start, end, another(text));
    }
    if (token.kind === "word") {
      if (text === "true" || text === "false") {
        add("constant", start, end, text === "true" ? "false" : "true");
      }
      if ((text === "if" || text === "while") && tokens[i + 1]?.text === "(") {
        const from = tokens[i + 1]!, to = tokens[closing(tokens, i + 1)];
        if (to !== undefined) {
          add("condition", from.end, to.start, `!(${source.slice(from.end, to.start)})`);
        }
      }
    }
    if (beginsStatement(tokens, i)) {
      const last = endOfCall(tokens, i);
      if (last !== undefined) add("call", start, tokens[last]!.start, "");
    }
    for (const early of returnsOf(tokens, i)) add("return", end, end, ` ${early}`);
  }
  return found;
}

/** `source` with the fault in it. */
export function apply(source: string, { start, end, replacement }: Mutant): string {
  return source.slice(0, start) + replacement + source.slice(end);
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 70 ? `${line.slice(0, 67)}...` : line;
}

function another(text: string): string {
  const value = Number(text.replaceAll("_", ""));
  return String(value === 0 ? 1 : value * 2);
}

/** Whether it is the sign of `a > b ? a : b`: what two that are equal give is the same either way. */
function choosesLarger(tokens: readonly Token[], i: number): boolean {
  const [a, sign, b, question, yes, colon, no] = tokens.slice(i - 1, i + 6).map(({ text }) => text);
  if (question !== "?" || colon !== ":" || !/^[<>]=?$/.test(sign ?? "")) return false;
  return (yes === a && no === b) || (yes === b && no === a);
}

/** Whether it is the 0 of `(x ?? 0) > LIMIT`: a 1 in its place lies on the same side of the limit. */
function isFarBelow(tokens: readonly Token[], i: number): boolean {
  const at = (offset: number): string => tokens[i + offset]?.text ?? "";
  return at(0) === "0" && at(-1) === "??" && at(1) === ")" && /^[<>]=?$/.test(at(2)) &&
    /^[A-Z][A-Z_\d]+$/.test(at(3));
}

/** Index of the bracket that closes the one at `open`. */
function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    if (tokens[i]!.kind !== "sign") continue;
    if ("([{".includes(tokens[i]!.text)) depth++;
    else if (")]}".includes(tokens[i]!.text) && --depth === 0) return i;
  }
  return tokens.length;
}

/** Which tokens belong to types and imports, where a change has no effect at run time. */
function typesIn(tokens: readonly Token[]): boolean[] {
  const isType: boolean[] = new Array(tokens.length).fill(false);
  for (let i = 0; i < tokens.length; i++) {
    const { kind, text } = tokens[i]!, before = tokens[i - 1]?.text;
    if (kind !== "word" || !(before === undefined || [";", "}", "export", "*/"].includes(before))) continue;
    let last: number;
    if (text === "interface") {
      last = i;
      while (last < tokens.length && tokens[last]!.text !== "{") last++;
      last = closing(tokens, last);
    } else if (text === "import" || (text === "type" && tokens[i + 1]?.kind === "word")) {
      last = i;
      for (let depth = 0; last < tokens.length; last++) {
        if (tokens[last]!.kind !== "sign") continue;
        if ("([{".includes(tokens[last]!.text)) depth++;
        else if (")]}".includes(tokens[last]!.text)) depth--;
        else if (tokens[last]!.text === ";" && depth === 0) break;
      }
    } else continue;
    isType.fill(true, i, last + 1);
    i = last;
  }
  return isType;
}

/** Whether a statement begins at `i`; object literals look alike, and what is no call is left alone anyway. */
function beginsStatement(tokens: readonly Token[], i: number): boolean {
  const before = tokens[i - 1];
  if (before === undefined || before.kind === "text") return before === undefined;
  if ([";", "{", "}", "else"].includes(before.text)) return true;
  if (before.text !== ")") return false;
  // The header of an `if`, `for` or `while` ends before it.
  let depth = 0;
  for (let at = i - 1; at >= 0; at--) {
    if (tokens[at]!.text === ")") depth++;
    else if (tokens[at]!.text === "(" && --depth === 0) {
      return ["if", "for", "while", "await"].includes(tokens[at - 1]?.text ?? "");
    }
  }
  return false;
}

/** The `;` behind a statement at `i` that is nothing but a call; undefined when it is something else. */
function endOfCall(tokens: readonly Token[], i: number): number | undefined {
  let at = i;
  while (tokens[at]?.text === "await" || tokens[at]?.text === "void") at++;
  const first = tokens[at];
  if (first?.kind !== "word" || NO_CALL.has(first.text)) return undefined;
  let isCall = false;
  for (at++; at < tokens.length; at++) {
    const { text, kind } = tokens[at]!;
    if (text === "(" || text === "[") {
      isCall = text === "(";
      at = closing(tokens, at);
    } else if (text === "." || text === "?." || text === "!") {
      if (text !== "!" && tokens[at + 1]?.kind === "word") at++;
      isCall = false;
    } else return text === ";" && kind === "sign" && isCall ? at : undefined;
  }
  return undefined;
}

/** What a function whose body begins at `i` can return at once; nothing when no body begins there. */
function returnsOf(tokens: readonly Token[], i: number): string[] {
  if (tokens[i]!.text !== "{") return [];
  const before = (n: number): string | undefined => tokens[i - n]?.text;
  const is = (...texts: string[]): boolean => texts.every((text, n) => before(texts.length - n) === text);
  if (is(")", ":", "void")) return ["return;"];
  if (is(")", ":", "Promise", "<", "void", ">")) return ["return Promise.resolve();"];
  if (is(")", ":", "boolean")) return ["return true;", "return false;"];
  return [];
}
