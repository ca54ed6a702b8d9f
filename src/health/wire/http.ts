/** Reads the HTTP/1 response that a check brought: its headers, and its body without the marks of chunks. Pure. */

/** Returns the reason of the status line: "Service Unavailable"; empty without one. */
export function httpReason(bytes: Uint8Array, bodyOffset: number): string {
  return /^HTTP\/1\.\d \d{3} (.*)$/.exec(lastHead(bytes, bodyOffset)[0] ?? '')?.[1] ?? '';
}

/** Returns the headers by their names in lower case. Of several with one name, the values with commas between. */
export function httpHeaders(bytes: Uint8Array, bodyOffset: number): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lastHead(bytes, bodyOffset).slice(1)) {
    const colon = line.indexOf(':');
    if (colon > 0) {
      const name = line.slice(0, colon).toLowerCase();
      const before = headers.get(name);
      const value = line.slice(colon + 1).trim();
      headers.set(name, before === undefined ? value : `${before}, ${value}`);
    }
  }
  return headers;
}

/** Returns the lines of the last head: those of 100 Continue may come before. */
function lastHead(bytes: Uint8Array, bodyOffset: number): string[] {
  // The bytes may be cut before the end of the head, and behind them is another's answer.
  const length = Math.min(bodyOffset, bytes.length);
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1').split(/\r?\n/);
  const start = lines.findLastIndex((line) => line.startsWith('HTTP/1.'));
  return lines.slice(Math.max(start, 0)).filter((line) => line !== '');
}

/** Returns the body, or the part of it that came. */
export function httpBody(bytes: Uint8Array, bodyOffset: number): Uint8Array {
  const body = bytes.subarray(bodyOffset);
  return /(^|[, ])chunked$/i.test(httpHeaders(bytes, bodyOffset).get('transfer-encoding') ?? '')
    ? joinChunks(body)
    : body;
}

/** Joins the chunks of a body (RFC 9112, 7.1), up to the first that is incomplete. */
function joinChunks(body: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (let at = 0; ;) {
    const end = body.indexOf(0x0a, at);
    const size = end < 0 ? 0 : parseInt(Buffer.from(body.subarray(at, end)).toString('latin1'), 16);
    if (!(size > 0)) {
      return Buffer.concat(chunks);
    }
    chunks.push(body.subarray(end + 1, end + 1 + size));
    at = body.indexOf(0x0a, end + 1 + size) + 1;
    if (at === 0) {
      return Buffer.concat(chunks);
    }
  }
}
