/** The frames that are never forwarded: the twin of bpf/guard.h. */

import { type Image, macsAbove } from '../image/index.js';
import type { VerdictName } from '../layout/index.js';
import { type Interface, macFromBytes, type VlanTag } from '../model/index.js';
import { uses } from './maps.js';
import type { Frame } from './parse.js';

/** Why a frame is not for the director to forward; undefined when it is. */
export function guard(image: Image, { bytes }: Frame, arrival: Interface | undefined): VerdictName | undefined {
  const own = uses(image, 'nics') ? arrival?.mac : image.interfaces[0]?.mac;
  const to = macFromBytes(bytes.subarray(0, 6));
  const above = macsAbove(image).find(({ mac, ifindex }) => mac === to && ifindex === arrival?.ifindex);
  if (to !== own && above?.standby !== false) {
    return above === undefined ? 'other-host' : 'not-master';
  }
  const isFromDirector = uses(image, 'directors') && image.directors.includes(macFromBytes(bytes.subarray(6, 12)));
  return isFromDirector ? 'from-director' : undefined;
}

/** Whether a VLAN is the director's; the untagged LAN always is. */
export function isOwnVlan({ vlans }: Image, tags: readonly VlanTag[]): boolean {
  return (
    tags.length === 0 ||
    vlans === 'all' ||
    vlans.some((own) => own.length === tags.length && own.every((tag, i) => isSameTag(tag, tags[i]!)))
  );
}

function isSameTag(a: VlanTag, b: VlanTag): boolean {
  return a.id === b.id && a.service === b.service;
}
