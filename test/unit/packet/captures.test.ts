/** Captures: files of every kind are read, and what is written is read back. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';

import { buildFrame, captureFrame, captureHeader, readCapture } from '../../../src/packet/index.js';
import { PLAIN } from '../../support/frames.js';

/** A pcap file, in either byte order, with microseconds or nanoseconds. */
function pcap(frames: readonly Uint8Array[], littleEndian: boolean, magic = 0xa1b2c3d4, linkType = 1): Uint8Array {
  const bytes = new Uint8Array(24 + frames.reduce((sum, { length }) => sum + 16 + length, 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, littleEndian);
  view.setUint32(20, linkType, littleEndian);
  let at = 24;
  for (const frame of frames) {
    view.setUint32(at + 8, frame.length, littleEndian);
    view.setUint32(at + 12, frame.length, littleEndian);
    bytes.set(frame, at + 16);
    at += 16 + frame.length;
  }
  return bytes;
}

/** A block of pcapng: its body padded to four bytes. */
function block(type: number, body: readonly number[], littleEndian: boolean): number[] {
  const padded = [...body, ...new Array<number>(-body.length & 3).fill(0)];
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, type, littleEndian);
  view.setUint32(4, padded.length + 12, littleEndian);
  const [head, length] = [[...new Uint8Array(view.buffer)], [...new Uint8Array(view.buffer, 4)]];
  return [...head, ...padded, ...length];
}

function pcapng(frames: readonly Uint8Array[], littleEndian: boolean): Uint8Array {
  const word = (value: number): number[] => {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, value, littleEndian);
    return [...new Uint8Array(view.buffer)];
  };
  const half = (value: number): number[] => word(littleEndian ? value : value << 16).slice(0, 2);
  const section = [...word(0x1a2b3c4d), ...half(1), ...half(0), ...new Array<number>(8).fill(0xff)];
  return Uint8Array.from([
    ...block(0x0a0d0d0a, section, littleEndian),
    ...block(1, [...half(1), ...half(0), ...word(0)], littleEndian),
    // A block of a type that says nothing here: statistics.
    ...block(5, word(0), littleEndian),
    ...frames.flatMap((frame, i) =>
      i % 2 === 0
        ? block(
            6,
            [...word(0), ...word(0), ...word(0), ...word(frame.length), ...word(frame.length), ...frame],
            littleEndian,
          )
        : block(3, [...word(frame.length), ...frame], littleEndian),
    ),
  ]);
}

const FRAMES = [buildFrame(PLAIN), buildFrame({ ...PLAIN, payload: new Uint8Array(41) })];

test('captures of both byte orders and formats are read', () => {
  for (const littleEndian of [true, false]) {
    for (const file of [
      pcap(FRAMES, littleEndian),
      pcap(FRAMES, littleEndian, 0xa1b23c4d),
      pcapng(FRAMES, littleEndian),
    ]) {
      const read = [...readCapture(file)];
      assert.deepEqual(
        read.map(({ number }) => number),
        [1, 2],
      );
      assert.deepEqual(
        read.map(({ frame }) => Buffer.from(frame!)),
        FRAMES.map((frame) => Buffer.from(frame)),
      );
    }
  }
});

test('frames without Ethernet headers get one; frames with unknown headers are undefined', () => {
  const macs = FRAMES[0]!.slice(0, 12);
  const [raw] = [...readCapture(pcap([FRAMES[0]!.subarray(14)], true, undefined, 101), macs)];
  assert.deepEqual(Buffer.from(raw!.frame!), Buffer.from(FRAMES[0]!));
  const cooked = Uint8Array.of(...new Uint8Array(14), ...FRAMES[0]!.subarray(12));
  const [any] = [...readCapture(pcap([cooked], true, undefined, 113), macs)];
  assert.deepEqual(Buffer.from(any!.frame!), Buffer.from(FRAMES[0]!));
  assert.deepEqual(
    [...readCapture(pcap(FRAMES, true, undefined, 127))],
    [
      { number: 1, frame: undefined },
      { number: 2, frame: undefined },
    ],
  );
});

test('a capture that is cut anywhere ends with the last whole packet, and other files are refused', () => {
  for (const file of [pcap(FRAMES, true), pcapng(FRAMES, true)]) {
    for (let length = 24; length < file.length; length += 1) {
      const read = [...readCapture(file.subarray(0, length))];
      assert.ok(read.length < FRAMES.length + 1);
      read.forEach(({ frame }, i) => {
        assert.equal(frame?.length, FRAMES[i]!.length);
      });
    }
  }
  assert.throws(() => [...readCapture(new Uint8Array(100))], RangeError);
  assert.throws(() => [...readCapture(new Uint8Array(3))], RangeError);
});

test('a capture that is written is read back, with its interfaces, times and lengths', () => {
  const time = 1_700_000_000_123_456_789n;
  const file = Buffer.concat([
    captureHeader(['ens3', 'ens10']),
    captureFrame({ interface: 1, timeNs: time, frame: FRAMES[0]! }),
    captureFrame({ interface: 0, timeNs: time, frame: FRAMES[1]!.subarray(0, 41), originalBytes: 95 }),
  ]);
  assert.equal(file.length % 4, 0);
  assert.deepEqual(
    [...readCapture(file)].map(({ number, frame }) => [number, Buffer.from(frame!)]),
    [
      [1, Buffer.from(FRAMES[0]!)],
      [2, Buffer.from(FRAMES[1]!.subarray(0, 41))],
    ],
  );
  // tcpdump reads it too, where it is installed.
  const { error, status, stdout } = spawnSync('tcpdump', ['-r', '-', '-n', '-tt', '--nano'], {
    input: file,
    encoding: 'utf8',
  });
  if (error === undefined) {
    assert.equal(status, 0);
    assert.match(stdout, /^1700000000\.123456789 IP 192\.168\.1\.12\.40000 > 192\.168\.1\.100\.80: Flags \[\.\]/m);
  }
});
