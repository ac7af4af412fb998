/** What the React hooks show, over a network in memory. */

import assert from "node:assert/strict";
import { type SkeinClient, SkeinError } from "../../src/client/mod.ts";
import { type BotAsk, serveBot } from "../../src/client/bots.ts";
import { commandView } from "../../src/client/react/commands.ts";
import type { View } from "../../src/client/react/view.ts";
import { channelView, documentView, presenceView, typingView } from "../../src/client/react/views.ts";
import { connected, inWorld } from "./in_world.ts";

const ROOM = "chat:room";

/** What a view of the room shows; what is deleted is "-", what is edited has a star. */
function texts(view: ReturnType<typeof channelView>): string {
  return view.get().messages.map(({ text, edited, deleted }) => deleted ? "-" : `${text}${edited ? "*" : ""}`)
    .join();
}

function room(client: SkeinClient, options = {}, told: string[] = []): ReturnType<typeof channelView> {
  return channelView(client, ROOM, options, ({ text }) => told.push(text!));
}

/** As StrictMode does it: on the page, off, and on again in one go. */
function openTwice<T>(view: View<T>): () => void {
  view.open()();
  return view.open();
}

Deno.test("react views: a channel opened, closed and opened in one go shows each message once", () =>
  inWorld(async (world, make) => {
    const { client } = make(), { client: bob } = make("bob");
    await connected(world, client);
    await connected(world, bob);
    const told: string[] = [];
    const view = room(client, {}, told), close = openTwice(view);
    assert.equal(view.get().status, "joining");
    await world.until(() => view.get().status === "joined");
    for (const text of ["a", "b"]) void bob.channel(ROOM).publish(text);
    await world.until(() => texts(view) === "a,b");
    assert.deepEqual(told, ["a", "b"]);
    assert.equal(view.get(), view.get());
    close();
    await world.until(() => client.store.getState().channels.length === 0);
    void bob.channel(ROOM).publish("c");
    await world.clock.advance(500);
    assert.equal(texts(view), "a,b", "what is closed stays as it is");
    const again = view.open();
    await world.until(() => view.get().status === "joined");
    again();
    await world.clock.advance(500);
  }));

Deno.test("react views: history comes before what is new, edits and deletions are applied, and the oldest give way", () =>
  inWorld(async (world, make) => {
    const { client } = make(), { client: bob } = make("bob");
    await connected(world, client);
    await connected(world, bob);
    const channel = bob.channel(ROOM);
    const offsets: number[] = [];
    for (const text of ["one", "two", "three"]) {
      void channel.publish(text).then(({ offset }) => offsets.push(offset));
    }
    await world.until(() => offsets.length === 3);
    const view = room(client, { history: 2, keep: 3 }), close = view.open();
    await world.until(() => texts(view) === "two,three");
    void channel.publish("four");
    await world.until(() => texts(view) === "two,three,four");
    void channel.edit(offsets[1]!, "2");
    void channel.delete(offsets[2]!);
    await world.until(() => texts(view) === "2*,-,four");
    void channel.publish("five");
    await world.until(() => texts(view) === "-,four,five");
    const newcomer = room(client, { history: 3 }), closeNewcomer = newcomer.open();
    await world.until(() => texts(newcomer) === "-,four,five");
    closeNewcomer();
    close();
    await world.clock.advance(500);
  }));

Deno.test("react views: two of one channel go their own ways, and the channel is left with the last", () =>
  inWorld(async (world, make) => {
    const { client } = make(), { client: bob } = make("bob");
    await connected(world, client);
    await connected(world, bob);
    const views = [room(client), room(client)] as const;
    const closes = views.map((view) => view.open());
    const people = presenceView(client, ROOM), closePeople = people.open();
    await world.until(() => views.every((view) => view.get().status === "joined"));
    closes[0]!();
    closePeople();
    await world.clock.advance(500);
    void bob.channel(ROOM).publish("a");
    await world.until(() => texts(views[1]) === "a");
    assert.equal(texts(views[0]), "");
    closes[1]!();
    await world.until(() => client.store.getState().channels.length === 0);
  }));

Deno.test("react views: a channel that could not be joined because the user disconnected is joined when they are back", () =>
  inWorld(async (world, make) => {
    const { client } = make();
    Object.assign(world.paths.quic, { dial: "dropped" });
    Object.assign(world.paths.websocket, { dial: "dropped" });
    client.connect().catch(() => {});
    const view = room(client), close = view.open();
    await world.clock.advance(100);
    await client.disconnect();
    await world.clock.advance(100);
    assert.deepEqual([view.get().status, view.get().error?.error], ["left", "closed"]);
    Object.assign(world.paths.quic, { dial: "open" });
    await connected(world, client);
    await world.until(() => view.get().status === "joined");
    assert.equal(view.get().error, undefined);
    close();
    await world.clock.advance(500);
  }));

Deno.test("react views: who is there is asked for again after an interruption, and who types is shown", () =>
  inWorld(async (world, make) => {
    const { client } = make(), { client: bob } = make("bob"), { client: cem } = make("cem");
    for (const each of [client, bob, cem]) await connected(world, each);
    const people = presenceView(client, ROOM), typing = typingView(client, ROOM);
    const closes = [openTwice(people), openTwice(typing)];
    const users = () => people.get().users.map(({ userId }) => userId).sort().join();
    await world.until(() => users() === "ann");
    void bob.channel(ROOM).subscribe();
    void cem.channel(ROOM).subscribe();
    await world.until(() => users() === "ann,bob,cem");
    bob.channel(ROOM).typing();
    await world.until(() => typing.get().typists.join() === "bob");
    // Somebody leaves while the page is away: it is not told.
    for (const path of ["quic", "websocket"] as const) world.paths[path].dial = "refused";
    for (const link of [...world.links]) if (link.owner === "ann") link.cut();
    await world.until(() => !client.manager.isConnected());
    void cem.close();
    await world.clock.advance(500);
    for (const path of ["quic", "websocket"] as const) world.paths[path].dial = "open";
    await world.until(() => client.manager.isConnected() && users() === "ann,bob");
    void bob.close();
    await world.until(() => users() === "ann");
    for (const close of closes) close();
    await world.clock.advance(500);
  }));

Deno.test("react views: what failed for a passing reason is asked for again, what is refused is not", () =>
  inWorld(async (world, make) => {
    const { client } = make(), { client: bob } = make("bob");
    for (const each of [client, bob]) await connected(world, each);
    void bob.channel(ROOM).publish("before");
    await world.clock.advance(500);
    const channel = client.channel(ROOM);
    let asked = 0, error = SkeinError.temporary("not_available", "the engine is away");
    for (const method of ["subscribe", "history", "presence"] as const) {
      const work = channel[method].bind(channel) as () => never;
      let times = 0;
      channel[method] = () => {
        asked++;
        return ++times === 1 ? Promise.reject(error) as never : work();
      };
    }
    const view = room(client, { history: 5 }), people = presenceView(client, ROOM);
    const closes = [view.open(), people.open()];
    await world.until(() => texts(view) === "before" && people.get().users.length === 1);
    assert.deepEqual([view.get().status, view.get().error, people.get().error], [
      "joined",
      undefined,
      undefined,
    ]);
    for (const close of closes) close();

    error = new SkeinError("permission_denied", "not for you");
    channel.history = () => {
      asked++;
      return Promise.reject(error);
    };
    const close = view.open();
    await world.until(() => view.get().error !== undefined);
    assert.deepEqual([view.get().status, view.get().error], ["joined", error]);
    asked = 0;
    await world.clock.advance(3_600_000);
    assert.equal(asked, 0);
    close();
    await world.clock.advance(500);
  }));

Deno.test("react views: what happens while a view asks how it was counts", () =>
  inWorld(async (world, make) => {
    const { client } = make(), { client: bob } = make("bob"), { client: cem } = make("cem");
    for (const each of [client, bob, cem]) await connected(world, each);
    for (const text of ["one", "two", "three"]) void bob.channel(ROOM).publish(text);
    void cem.channel(ROOM).subscribe();
    await world.clock.advance(500);
    const channel = client.channel(ROOM), answers: (() => void)[] = [];
    for (const method of ["history", "presence"] as const) {
      const work = channel[method].bind(channel) as () => Promise<never>;
      channel[method] = async () => {
        const answer = await work();
        await new Promise<void>((resolve) => answers.push(resolve));
        return answer;
      };
    }
    const view = room(client, { history: 5 }), people = presenceView(client, ROOM);
    const closes = [view.open(), people.open()];
    await world.until(() => answers.length === 2);
    void bob.channel(ROOM).edit(1, "1");
    void bob.channel(ROOM).delete(2);
    void bob.channel(ROOM).subscribe();
    void cem.channel(ROOM).unsubscribe();
    await world.clock.advance(500);
    for (const answer of answers) answer();
    await world.until(() => view.get().messages.length === 3);
    assert.equal(texts(view), "1*,-,three");
    assert.deepEqual(people.get().users.map(({ userId }) => userId).sort(), ["ann", "bob"]);
    for (const close of closes) close();
    await world.clock.advance(500);
  }));

Deno.test("react views: a document stays open when it is closed and opened in one go, and closes with its last view", () =>
  inWorld(async (world, make) => {
    const { client } = make();
    await connected(world, client);
    const view = documentView(client, "doc:plan", {}), first = view.open();
    const { document } = view.get();
    first();
    const close = view.open();
    assert.equal(view.get().document, document);
    await world.until(() => view.get().synced);
    assert.equal(document!.closed, false);
    const other = documentView(client, "doc:plan", {}), closeOther = other.open();
    assert.deepEqual([other.get().document, other.get().synced], [document, true]);
    close();
    await world.clock.advance(100);
    assert.equal(document!.closed, false);
    world.cut();
    await world.until(() => !other.get().synced);
    await world.until(() => other.get().synced);
    closeOther();
    await world.clock.advance(100);
    assert.equal(document!.closed, true);
  }));

Deno.test("react views: a streamed message grows in its place, through a cut, for who is there and who comes later", () =>
  inWorld(async (world, make) => {
    const { client } = make(), { client: bob } = make("bob");
    await connected(world, client);
    await connected(world, bob);
    const told: string[] = [];
    const view = room(client, { history: 10 }, told), close = openTwice(view);
    await world.until(() => view.get().status === "joined");
    const shown = (of = view) => of.get().messages.map(({ text, data, stream }) => [text ?? data, stream]);
    const channel = bob.channel(ROOM);
    const stream = await world.run(channel.stream());
    const list = await world.run(channel.stream({ content: [1] }));
    await world.until(() => shown().length === 2);
    assert.deepEqual(shown(), [["", "open"], [[1], "open"]]);
    await world.run(stream.append("It is "));
    await world.run(list.append([2, 3]));
    await world.until(() =>
      JSON.stringify(shown()) === JSON.stringify([["It is ", "open"], [[1, 2, 3], "open"]])
    );
    const newcomer = room(client, { history: 10 }), closeNewcomer = newcomer.open();
    await world.until(() => newcomer.get().messages.length === 2);
    assert.deepEqual(shown(newcomer), shown());
    world.cut();
    const more = [stream.append("4"), stream.append("2."), list.fail()];
    await world.run(Promise.all([...more, stream.end()]));
    const whole = [["It is 42.", "ended"], [[1, 2, 3], "failed"]];
    for (const  of of[view, newcomer]) {
      await world.until(() => JSON.stringify(shown(of)) === JSON.stringify(whole));
    }
    // One message each, however often it grew.
    assert.equal(told.length, 2);
    // What is edited says what the edit says.
    await world.run(channel.edit(stream.target, "It is 43."));
    await world.until(() => shown()[0]![0] === "It is 43.");
    assert.equal(view.get().messages[0]!.stream, undefined);
    closeNewcomer();
    close();
    await world.clock.advance(500);
  }));

Deno.test("react views: a command shows its answer as it grows, and how it ended", () =>
  inWorld(async (world, make) => {
    const { client } = make(), { client: bot } = make("story-bot");
    await connected(world, client);
    await connected(world, bot);
    let asked: BotAsk | undefined, finish = () => {};
    const run = (ask: BotAsk): Promise<void> => {
      asked = ask;
      return new Promise((resolve) => finish = resolve);
    };
    await world.run(serveBot(bot, { clock: world.clock, commands: [{ name: "tell", run }] }));
    const { view, actions } = commandView(client), close = openTwice(view);
    const begin = async (): Promise<BotAsk> => {
      asked = undefined;
      actions.run({ bot: "story", command: "tell" });
      assert.deepEqual([view.get().status, view.get().text], ["asked", ""]);
      await world.until(() => asked !== undefined);
      return asked!;
    };
    const first = await begin();
    await world.run(first.progress(0.5, "thinking"));
    await world.until(() => view.get().progress?.done === 0.5);
    assert.deepEqual(view.get().progress, { done: 0.5, text: "thinking" });
    await world.run(first.append("Once "));
    await world.until(() => view.get().text === "Once ");
    assert.equal(view.get().status, "answering");
    await world.run(first.append("upon"));
    finish();
    await world.until(() => view.get().status === "done");
    assert.deepEqual([view.get().text, view.get().result], ["Once upon", {
      kind: "answer",
      text: "Once upon",
    }]);
    // Another command takes its place, and what comes of the one before is not shown.
    const second = await begin();
    await world.run(second.append("old"));
    const finishSecond = finish;
    const third = await begin();
    await world.run(second.append(" news"));
    finishSecond();
    await world.run(third.append("new"));
    await world.run(third.fail("no more"));
    await world.until(() => view.get().status === "failed");
    assert.deepEqual([view.get().text, view.get().error?.message], ["new", "the bot gave up"]);
    finish();
    actions.run({ bot: "nobody", command: "tell" });
    await world.until(() => view.get().status === "failed");
    assert.equal((view.get().error as { error?: string }).error, "unknown_bot");
    assert.equal(await world.run(actions.say(ROOM, "hello")), false);
    assert.equal(view.get().status, "failed", "a message is no command");
    assert.equal(await world.run(actions.say(ROOM, "/story tell")), true);
    await world.until(() => view.get().status === "asked" && asked !== third);
    actions.clear();
    assert.equal(view.get().status, "idle");
    finish();
    await begin();
    close();
    finish();
    await world.clock.advance(500);
    assert.equal(view.get().status, "asked", "what is closed stays as it is");
  }));
