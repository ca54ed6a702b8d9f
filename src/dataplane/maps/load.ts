/** Loads BPF objects: with the constants that the verifier must know, and with an error that says what to do. */

import { readFileSync } from 'node:fs';

import { FLOW_WAYS, type Geometry } from '../../image/index.js';
import * as layout from '../../layout/index.js';
import { BpfObject, KernelError } from '../../libbpf/index.js';
import { BeelineError } from '../../model/index.js';
import { clockShift } from '../flows/clock.js';
import { bytesOf } from './control.js';

/** The constants of a program. */
export interface Constants {
  readonly geometry: Geometry;
  /** Bits of enum feature. */
  readonly features: number;
  readonly hashSecret: BigUint64Array;
}

/**
 * Loads all programs of an object. Nothing else happens meanwhile, for up to a second: see loadObjectAsync.
 *
 * @param configure sets the sizes of its maps, or replaces them, before it is loaded
 * @throws BeelineError `PROGRAM_REFUSED`, `NOT_BUILT`
 */
export function loadObject(
  path: string,
  constants: Constants,
  configure: (object: BpfObject) => void,
): Pick<BpfObject, 'programs' | 'maps'> {
  using object = openObject(path);
  setConstants(object, constants);
  configure(object);
  try {
    object.load();
  } catch (error) {
    throw programRefused(error);
  }
  return { programs: object.programs, maps: object.maps };
}

/** Loads programs of an object in another thread; see loadObject. @param wanted their names; default: all */
export async function loadObjectAsync(
  path: string,
  constants: Constants,
  configure: (object: BpfObject) => void,
  wanted?: readonly string[],
): Promise<Pick<BpfObject, 'programs' | 'maps'>> {
  using object = openObject(path);
  setConstants(object, constants);
  for (const [name, program] of object.programs) {
    program.setAutoload(wanted?.includes(name) ?? true);
  }
  configure(object);
  try {
    await object.loadAsync();
  } catch (error) {
    throw programRefused(error);
  }
  return { programs: object.programs, maps: object.maps };
}

/** Files of objects by their paths, as they were when this process first read them. */
const objectFiles = new Map<string, Uint8Array>();

/**
 * Reads objects' files, which are read once in a process: if a new version of the package replaces one, that does not fit
 * the layout that this process knows, nor the maps that it has.
 */
export function rememberObjects(...paths: readonly string[]): void {
  for (const path of paths) {
    try {
      bytesOfObject(path);
    } catch {
      // Whoever needs it tells that it is missing.
    }
  }
}

function bytesOfObject(path: string): Uint8Array {
  const bytes = objectFiles.get(path) ?? readFileSync(path);
  objectFiles.set(path, bytes);
  return bytes;
}

function openObject(path: string): BpfObject {
  try {
    return new BpfObject(bytesOfObject(path), 'director');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new BeelineError('NOT_BUILT', `the XDP program is not built: ${path} is missing`, {
        hint: 'Run "npm run build".',
      });
    }
    throw error;
  }
}

function setConstants(object: BpfObject, { geometry, features, hashSecret }: Constants): void {
  const view = new DataView(new ArrayBuffer(layout.readOnlyData.byteLength));
  const at = layout.readOnlyData.geometry.offset;
  const set = (field: { offset: number }, value: number): void => {
    view.setUint32(at + field.offset, value, true);
  };
  set(layout.geometry.services4Shift, 64 - Math.log2(geometry.services4));
  set(layout.geometry.services6Shift, 64 - Math.log2(geometry.services6));
  set(layout.geometry.slotMask, geometry.slots - 1);
  set(layout.geometry.destinationMask, geometry.destinations - 1);
  set(layout.geometry.serviceMask, geometry.services - 1);
  set(layout.geometry.flows4Mask, geometry.flows4 / FLOW_WAYS.ipv4 - 1);
  set(layout.geometry.flows6Mask, geometry.flows6 / FLOW_WAYS.ipv6 - 1);
  view.setUint32(layout.readOnlyData.features.offset, features, true);
  view.setUint32(layout.readOnlyData.clockShift.offset, clockShift(), true);
  const bytes = new Uint8Array(view.buffer);
  bytes.set(bytesOf(hashSecret), layout.readOnlyData.hashSecret.offset);
  object.section('.rodata').setInitialValue(bytes);
}

function programRefused(error: unknown): unknown {
  if (!(error instanceof KernelError)) {
    return error;
  }
  return new BeelineError('PROGRAM_REFUSED', `the kernel refused the XDP program: ${error.message}`, {
    hint:
      error.code === 'EPERM'
        ? 'Run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.'
        : "Please report this, with the kernel's version.",
    cause: error,
  });
}
