/**
 * Two browsers agree through the service about another path for a connection that lives (RFC 8445 §9). Its keys and
 * channels stay. The side that has called offers; the other one asks it to.
 *
 * @module
 */

import { deadline } from "../../async/deadline.ts";
import {
  checkIntroduction,
  type Introduction,
  type OfferSignal,
  PeerError,
  type PeerIdentity,
  randomText,
} from "../../peer/browser.ts";
import type { BrowserMeeting } from "./browser_meeting.ts";
import type { Described } from "./session_description.ts";
import type { SessionSignalling } from "./session_signalling.ts";

/** Milliseconds within which the peer has to answer an offer. */
export const ANSWER_TIMEOUT = 10_000;

/** Who speaks, and how. */
export interface Speaker {
  readonly identity: PeerIdentity;
  readonly session: SessionSignalling;
}

/** Signs what a side says of itself. `answers`: the challenge of the other side that it answers. */
export function introduce(
  { identity }: Speaker,
  meeting: BrowserMeeting,
  described: Described,
  { challenge, answers }: { readonly challenge: string; readonly answers?: string | undefined },
): Promise<Introduction> {
  const { peer, connection } = meeting;
  const candidates = meeting.takeFound();
  const introduction = { connection, challenge, ...described, candidates, lane: "webrtc" as const };
  return identity.introduce(peer, introduction, answers);
}

/** Agrees with the peer about another path, or asks it to begin with that. Rejects with PeerError when it does not. */
export async function restartIce(speaker: Speaker, meeting: BrowserMeeting): Promise<void> {
  const { session, identity } = speaker;
  const { peer, connection, remoteChallenge: answers } = meeting;
  const late = (): PeerError => new PeerError("peer_unreachable", "the peer does not answer");
  if (!meeting.isCaller) {
    const ask = { type: "candidate", connection, candidates: [], replace: true } as const;
    return await deadline(session.send(peer, ask), ANSWER_TIMEOUT, late);
  }
  const agree = async (): Promise<void> => {
    const challenge = randomText(32);
    const described = await meeting.offerAnew(await session.servers());
    const offer = await introduce(speaker, meeting, described, { challenge, answers });
    const expected = meeting.expectAnswer(offer);
    await session.send(peer, { type: "offer", ...offer, answers: answers! });
    meeting.introduced();
    const answer = await expected;
    await checkIntroduction(peer, identity.id, answer, challenge);
    await meeting.answered(answer);
  };
  await deadline(agree(), ANSWER_TIMEOUT, late);
}

/** Takes an offer of another path. Rejects with PeerError when it is not the peer's, or not for this connection. */
export async function answerRestart(
  speaker: Speaker,
  meeting: BrowserMeeting,
  offer: OfferSignal,
): Promise<void> {
  const { session, identity } = speaker;
  const { peer, challenge } = meeting;
  await checkIntroduction(peer, identity.id, offer, offer.answers);
  if (offer.answers !== challenge || !meeting.takes(offer)) {
    throw new PeerError("bad_message", "an offer of another path that this connection does not take");
  }
  const described = await meeting.answerAnew(offer, await session.servers());
  const answer = await introduce(speaker, meeting, described, { challenge, answers: offer.challenge });
  await session.send(peer, { type: "answer", ...answer, answers: offer.challenge });
  meeting.introduced();
}
