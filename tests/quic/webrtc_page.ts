/**
 * What a page of the tests loads: two ends of a WebRTC connection in one page.
 *
 * @module
 */

import { fixedChannels, WebRtcConnection } from "../../src/quic/webrtc_connection.ts";

/** One end takes the channels only `later` ms after the other has opened a stream and written `text`; returns what it reads. */
async function readLate(text: string, later: number): Promise<string> {
  const [near, far] = [new RTCPeerConnection(), new RTCPeerConnection()];
  near.onicecandidate = ({ candidate }) => void far.addIceCandidate(candidate ?? undefined);
  far.onicecandidate = ({ candidate }) => void near.addIceCandidate(candidate ?? undefined);
  const ends = [near, far].map((transport) => ({ transport, channels: fixedChannels(transport) }));
  const opened = ends.map(({ channels: { control } }) => new Promise((resolve) => control.onopen = resolve));
  await near.setLocalDescription(await near.createOffer());
  await far.setRemoteDescription(near.localDescription!);
  await far.setLocalDescription(await far.createAnswer());
  await near.setRemoteDescription(far.localDescription!);
  await Promise.all(opened);
  const sender = new WebRtcConnection(near, ends[0]!.channels);
  const stream = await sender.openBidirectionalStream();
  await stream.write(new TextEncoder().encode(text));
  await stream.end();
  await new Promise((resolve) => setTimeout(resolve, later));
  const receiver = new WebRtcConnection(far, ends[1]!.channels);
  for await (const { readable } of receiver.incomingBidirectionalStreams) {
    const read = await new Response(readable).text();
    await Promise.all([sender.close(), receiver.close()]);
    return read;
  }
  return "no stream";
}

/** What the page holds. */
export type ReadLate = typeof readLate;

Object.assign(globalThis, { readLate });
