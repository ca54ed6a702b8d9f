/**
 * Regular expressions of addresses and matches, for the JSON Schema alone: an editor then refuses a network, an address
 * with a port or a zone, or a name. They refuse nothing that the parser takes. Pure.
 */

const BYTE = '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const IPV4 = `${BYTE}(?:\\.${BYTE}){3}`;
const GROUP = '[0-9a-fA-F]{1,4}';

/** RFC 4291, 2.2: eight groups, or fewer around "::"; the last two may be an IPv4 address. */
const IPV6 = [
  `(?:${GROUP}:){7}${GROUP}`,
  `(?:${GROUP}:){6}${IPV4}`,
  ...around(7, `:${GROUP}`, ''),
  ...around(5, `:${GROUP}`, `:${IPV4}`),
].join('|');

/** "::" with so many groups around it at most: left of it as many as leave room for those right of it. */
function around(most: number, right: string, tail: string): string[] {
  return Array.from({ length: most + 1 }, (_, left) => {
    const before = left === 0 ? ':' : `(?:${GROUP}:){${left}}`;
    const after = tail === '' ? `(?:(?:${right}){1,${most - left}}|:)` : `(?:${right}){0,${most - left}}${tail}`;
    return most === left ? `${before}${tail === '' ? ':' : tail}` : `${before}${after}`;
  });
}

const MAC = '[0-9a-fA-F][02468aceACE](?::[0-9a-fA-F]{2}){5}';
const PORT = '[0-9]{1,5}';

const whole = (pattern: string): string => `^(?:${pattern})$`;

export const PATTERNS = {
  address: whole(`${IPV4}|${IPV6}`),
  netmask: whole(IPV4),
  mac: whole(MAC),
  director: whole(`${MAC}|${IPV4}|${IPV6}`),
  match: whole(
    `(?:[tT][cC][pP]|[uU][dD][pP]):(?:${IPV4}|\\[(?:${IPV6})\\])(?:/[0-9]{1,3})?:(?:\\*|${PORT}(?:-${PORT})?)`,
  ),
  /** ASCII names as the kernel takes them; of others it counts the bytes. */
  interface: '^(?!\\.\\.?$)[^ \\t-\\r/:\\u0000\\u00a0]{1,15}$',
} as const;
