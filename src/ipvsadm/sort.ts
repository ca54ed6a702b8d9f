/** The orders of listings: that of the kernel's hash table, and that of ipvsadm's sorting. Pure. */

import { type AnyServiceKey, familyOf, type IpAddress, ipBytes, isMarkKey, PROTOCOL_NUMBERS } from '../model/index.js';

/**
 * Replaces the bits of a kernel pointer that IPVS mixes into its hash. They differ from boot to boot, and are a multiple
 * of 16. The recorded kernel had this value (test/golden/ipvs/02-config-before-traffic.txt).
 */
export const HASH_SALT = 0x20;

/** Orders services as the kernel does: address services by bucket, then mark services by bucket; newest first in each. */
export function inKernelOrder<Each extends AnyServiceKey>(services: readonly Each[], salt = HASH_SALT): Each[] {
  // The sort is stable, so that the newest service stays first within its bucket.
  return [...services]
    .reverse()
    .map((key) => ({ key, place: (isMarkKey(key) ? 0x100 : 0) + (bucketOf(key) ^ salt) }))
    .sort((a, b) => a.place - b.place)
    .map(({ key }) => key);
}

/** ip_vs_svc_hashkey and ip_vs_svc_fwm_hashkey (net/netfilter/ipvs/ip_vs_ctl.c), without the pointer. */
function bucketOf(key: AnyServiceKey): number {
  if (isMarkKey(key)) {
    return key.mark & 0xff;
  }
  const { address, port, protocol } = key;
  const folded = wordsOf(address).reduce((all, word) => all ^ word, 0);
  return (PROTOCOL_NUMBERS[protocol] ^ folded ^ (port >> 8) ^ port) & 0xff;
}

/** The fields by which ipvsadm compares services (libipvs.c, ipvs_cmp_services). */
interface SortKey {
  readonly mark: number;
  readonly family: number;
  readonly protocol: number;
  readonly words: readonly number[];
  readonly port: number;
}

/** Sorts services as ipvsadm does, from the kernel's order. */
export function inSortedOrder<Each extends AnyServiceKey>(services: readonly Each[]): Each[] {
  return sortedBy(services, sortKey, compareKeys);
}

/** Sorts destinations as ipvsadm does; the kernel lists them newest first. */
export function destinationsSorted<Each extends { readonly address: IpAddress }>(newestFirst: readonly Each[]): Each[] {
  return sortedBy(newestFirst, ({ address }) => wordsOf(address), compareWords);
}

function sortKey(key: AnyServiceKey): SortKey {
  if (isMarkKey(key)) {
    return { mark: key.mark, family: key.family, protocol: 0, words: [], port: 0 };
  }
  const { address, port, protocol } = key;
  const words = wordsOf(address);
  return { mark: 0, family: familyOf(address), protocol: PROTOCOL_NUMBERS[protocol], words, port };
}

function compareKeys(a: SortKey, b: SortKey): number {
  return (
    (a.mark - b.mark) | 0 ||
    a.family - b.family ||
    a.protocol - b.protocol ||
    compareWords(a.words, b.words) ||
    a.port - b.port
  );
}

/** Compares by the sign of a 32-bit difference: 192.168.0.0 comes before 10.0.0.0, and 8.0.0.0 after 224.0.0.0. */
function compareWords(a: readonly number[], b: readonly number[]): number {
  for (const [i, word] of a.entries()) {
    const difference = (word - b[i]!) | 0;
    if (difference !== 0) {
      return difference;
    }
  }
  return 0;
}

function sortedBy<Each, Key>(
  items: readonly Each[],
  keyOf: (item: Each) => Key,
  compare: (a: Key, b: Key) => number,
): Each[] {
  const keyed = items.map((item) => ({ item, key: keyOf(item) }));
  return mergeSort(keyed, (a, b) => compare(a.key, b.key)).map(({ item }) => item);
}

function wordsOf(address: IpAddress): number[] {
  const bytes = ipBytes(address);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4));
}

/**
 * glibc's qsort (msort.c). The comparison is not an order (a < b < c < a is possible), so the result depends on which
 * pairs are compared.
 */
function mergeSort<Each>(items: readonly Each[], compare: (a: Each, b: Each) => number): Each[] {
  if (items.length < 2) {
    return [...items];
  }
  const middle = items.length >> 1;
  const left = mergeSort(items.slice(0, middle), compare);
  const right = mergeSort(items.slice(middle), compare);
  const merged: Each[] = [];
  let [l, r] = [0, 0];
  while (l < left.length && r < right.length) {
    merged.push(compare(left[l]!, right[r]!) <= 0 ? left[l++]! : right[r++]!);
  }
  return [...merged, ...left.slice(l), ...right.slice(r)];
}
