// @ts-check
/**
 * Small things that the pages do with their elements.
 *
 * @module
 */

/** The element with this id. @param {string} id @returns {any} */
export const $ = (id) => document.getElementById(id);

/**
 * A new element with a text, which is never markup.
 *
 * @param {string} tag @param {string} className @param {string} text
 */
export function part(tag, className, text) {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  element.textContent = text;
  return element;
}

/**
 * A button that does not send a form.
 *
 * @param {string} className @param {string} text @param {() => void} press
 */
export function button(className, text, press) {
  const element = /** @type {HTMLButtonElement} */ (part("button", className, text));
  element.type = "button";
  element.addEventListener("click", press);
  return element;
}

/** Bytes for reading: "1.4 MB". @param {number} bytes */
export function formatSize(bytes) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let size = bytes, unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/** What an error says. @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
