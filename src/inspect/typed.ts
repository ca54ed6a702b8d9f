/** The types of a map's keys and values, from the kernel, from the program that declares the map, or from Beeline. */

import {
  type Btf,
  BtfCodec,
  type BtfTypeId,
  declaration,
  fit,
  type MapInfo,
  type Place,
  type RealArray,
  reshape,
} from '../libbpf/index.js';
import { formOf, type Meaning } from './addresses.js';
import { builtInKey, builtInValue, type Described, type MapKind } from './map-kind.js';

/** The keys or the values of a map: their type, and the codec that reads and writes them. */
export interface Typed {
  readonly codec: BtfCodec;
  readonly whole: Place;
  /** The type in C: "struct service4", "__u32". */
  readonly name: string;
}

/** Facts about a map beside its kernel information. */
export interface MapContext {
  /** The whole name; the kernel keeps 15 characters. */
  readonly name: string;
  /** The path of its pin, if known. */
  readonly pinned?: string | undefined;
  /** The instance of the director that owns it. */
  readonly owner?: string | undefined;
  /** The real places of the value's arrays, if they differ from the BTF. */
  readonly arrays?: readonly RealArray[] | undefined;
  readonly meanings?: ReadonlyMap<string, Meaning> | undefined;
  /** The id of the BTF of a program that uses it. */
  readonly programBtfId?: number | undefined;
  readonly btfOf: (id: number) => Btf;
  readonly kernelBtf: () => Btf;
}

/** @param plain see CodecOptions */
export function typed({ btf, type }: Described, { meanings }: MapContext, plain: boolean): Typed {
  return {
    codec: new BtfCodec(btf, { plain, formOf: (place) => formOf(place, btf, meanings ?? new Map()) }),
    whole: new BtfCodec(btf).whole(type),
    name: declaration(btf, type),
  };
}

/** @returns undefined if the type is not known */
export function describeKey(
  { btfId, btfKeyTypeId, keySize }: MapInfo,
  kind: MapKind,
  context: MapContext,
): Described | undefined {
  return btfId > 0 && btfKeyTypeId > 0
    ? sized({ btf: context.btfOf(btfId), type: btfKeyTypeId }, keySize)
    : (declared(context, 'key', keySize) ?? builtInKey(kind, keySize));
}

/** @returns undefined if the type is not known; `ambiguous` names arrays whose length is not known */
export function describeValue(
  { btfId, btfValueTypeId, vmlinuxValueTypeId, valueSize }: MapInfo,
  kind: MapKind,
  context: MapContext,
): (Described & { ambiguous?: readonly string[] }) | undefined {
  if (vmlinuxValueTypeId > 0) {
    return sized({ btf: context.kernelBtf(), type: vmlinuxValueTypeId }, valueSize);
  }
  if (btfId === 0 || btfValueTypeId === 0) {
    // The values of maps of maps and of program arrays read as ids, whatever type they declare.
    return builtInValue(kind, valueSize) ?? declared(context, 'value', valueSize);
  }
  const btf = context.btfOf(btfId);
  const { arrays } = context;
  return arrays === undefined ? fit(btf, btfValueTypeId, valueSize) : reshape(btf, btfValueTypeId, valueSize, arrays);
}

/** The kernel keeps no types for queues and some others. The program that declares the map has them. */
function declared(
  { programBtfId, btfOf, name }: MapContext,
  member: 'key' | 'value',
  size: number,
): Described | undefined {
  const btf = programBtfId === undefined ? undefined : btfOf(programBtfId);
  const type = btf && declaredType(btf, name, member);
  return btf === undefined || type === undefined ? undefined : sized({ btf, type }, size);
}

/** Rejects a type whose size is not that of the map. */
function sized(described: Described, size: number): Described | undefined {
  return described.btf.sizeOf(described.type) === size ? described : undefined;
}

/** Returns the type of keys or values from the map's declaration in the section ".maps": `typeof(type) *key`. */
function declaredType(btf: Btf, name: string, member: 'key' | 'value'): BtfTypeId | undefined {
  const section = btf.types.find((type) => type.kind === 'section' && type.name === '.maps');
  const variables = section?.kind === 'section' ? section.entries.map(({ type }) => btf.type(type)) : [];
  const variable = variables.find((each) => each.name === name);
  const definition = variable !== undefined && 'type' in variable ? btf.resolve(variable.type) : undefined;
  const pointer =
    definition?.kind === 'struct' ? definition.members.find((each) => each.name === member)?.type : undefined;
  const type = pointer === undefined ? undefined : btf.resolve(pointer);
  return type?.kind === 'pointer' && type.type > 0 ? type.type : undefined;
}
