/** Parses what "ip" lists of neighbours and default routes. Pure. */

import type { NeighbourEntry } from './machine.js';

function listIn(json: string): unknown[] {
  const value: unknown = JSON.parse(json.trim() || '[]');
  return Array.isArray(value) ? value : [];
}

interface NeighbourJson {
  readonly dst?: string;
  readonly dev?: string;
  readonly lladdr?: string;
  readonly router?: unknown;
}

/** Parses `ip -j neigh show`: those whose MAC is known. */
export function parseNeighbours(json: string): NeighbourEntry[] {
  return (listIn(json) as NeighbourJson[]).flatMap(({ dst, dev, lladdr, router }) =>
    dst === undefined || dev === undefined || lladdr === undefined
      ? []
      : [{ device: dev, address: dst, isRouter: router !== undefined }],
  );
}

/** Parses `ip -j route show default`. */
export function parseDefaults(json: string): { device: string; gateway: string | undefined }[] {
  return (listIn(json) as { dev?: string; gateway?: string }[]).flatMap(({ dev, gateway }) =>
    dev === undefined ? [] : [{ device: dev, gateway }],
  );
}
