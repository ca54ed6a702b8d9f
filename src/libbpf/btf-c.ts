/** Formats types as C, with the offset of each member. Pure. */

import type { Btf, BtfComposite, BtfEnum, BtfMember, BtfTypeId } from './btf.js';

/** Formats a declaration: "struct service4 entry[512]", "__be32 address". Without a name it is the type alone. */
export function declaration(btf: Btf, id: BtfTypeId, name = ''): string {
  const type = btf.type(id);
  switch (type.kind) {
    case 'array':
      return declaration(btf, type.type, `${name}[${type.length}]`);
    case 'pointer':
      return declaration(btf, type.type, btf.type(type.type).kind === 'prototype' ? `(*${name})` : `*${name}`);
    case 'prototype':
      return declaration(
        btf,
        type.type,
        `${name}(${type.parameters.map((each) => declaration(btf, each.type, each.name)).join(', ')})`,
      );
    case 'const':
    case 'volatile':
    case 'restrict':
      return qualified(btf, type.kind, type.type, name);
    case 'type-tag':
      return declaration(btf, type.type, name);
    case 'forward':
    case 'struct':
    case 'union':
    case 'enum':
      return spaced(`${type.kind === 'forward' ? 'struct' : type.kind} ${type.name === '' ? '{…}' : type.name}`, name);
    default:
      return spaced(type.name, name);
  }
}

/** Formats a qualified type. A pointer's qualifier comes after the star. */
function qualified(btf: Btf, qualifier: string, id: BtfTypeId, name: string): string {
  const type = btf.type(id);
  return type.kind === 'pointer'
    ? declaration(btf, type.type, `*${qualifier} ${name}`.trimEnd())
    : `${qualifier} ${declaration(btf, id, name)}`;
}

function spaced(type: string, name: string): string {
  return name === '' ? type : name.startsWith('[') ? `${type}${name}` : `${type} ${name}`;
}

/**
 * Formats the definitions of all structs, unions and enums that a value of the type consists of, the innermost first.
 * After each member comes its offset and size in bytes, or for a bit field its offset and first bit.
 */
export function definitions(btf: Btf, id: BtfTypeId): string[] {
  const found = new Map<BtfTypeId, string>();
  const visit = (each: BtfTypeId): void => {
    const type = btf.type(each);
    if (found.has(each) || type.kind === 'pointer') {
      return;
    }
    if (type.kind === 'struct' || type.kind === 'union') {
      type.members.forEach((member) => {
        visit(member.type);
      });
      if (type.name !== '' || each === id) {
        found.set(each, composite(btf, type));
      }
    } else if (type.kind === 'enum') {
      if (type.name !== '') {
        found.set(each, enumeration(type));
      }
    } else if (type.kind === 'section') {
      type.entries.forEach((entry) => {
        visit(entry.type);
      });
      found.set(each, section(btf, type.entries));
    } else if (type.kind === 'typedef' && isAnonymous(btf, type.type)) {
      const inner = btf.type(type.type);
      if (inner.kind === 'struct' || inner.kind === 'union') {
        visit(type.type);
        found.set(each, composite(btf, inner, 'typedef ', ` ${type.name}`));
      }
    } else if ('type' in type) {
      visit(type.type);
    }
  };
  visit(id);
  return [...found.values()];
}

function isAnonymous(btf: Btf, id: BtfTypeId): boolean {
  const type = btf.type(id);
  return (type.kind === 'struct' || type.kind === 'union') && type.name === '';
}

interface Line {
  readonly text: string;
  readonly comment: string;
}

function composite(btf: Btf, type: BtfComposite, before = '', after = ''): string {
  const lines = memberLines(btf, type, 0, '\t');
  const head = `${before}${type.kind}${type.name === '' ? '' : ` ${type.name}`} {`;
  return block([{ text: head, comment: '' }, ...lines, { text: `}${after};`, comment: bytes(type.size) }]);
}

function memberLines(btf: Btf, type: BtfComposite, base: number, indent: string): Line[] {
  return type.members.flatMap((member) => {
    const at = base + member.bitOffset;
    const inner = btf.type(member.type);
    if (isAnonymous(btf, member.type) && (inner.kind === 'struct' || inner.kind === 'union')) {
      return [
        { text: `${indent}${inner.kind} {`, comment: '' },
        ...memberLines(btf, inner, at, `${indent}\t`),
        { text: `${indent}}${member.name === '' ? '' : ` ${member.name}`};`, comment: where(btf, member, at) },
      ];
    }
    const bits = member.bitSize > 0 ? ` : ${member.bitSize}` : '';
    const text = `${indent}${declaration(btf, member.type, member.name)}${bits};`;
    return [{ text, comment: where(btf, member, at) }];
  });
}

function where(btf: Btf, { type, bitSize }: BtfMember, bitOffset: number): string {
  const byte = Math.floor(bitOffset / 8);
  return bitSize > 0 ? `${byte}, bit ${bitOffset % 8}` : `${byte}, ${bytes(btf.sizeOf(type))}`;
}

function bytes(count: number): string {
  return count === 1 ? '1 byte' : `${count} bytes`;
}

function enumeration({ name, size, values }: BtfEnum): string {
  const lines = values.map(({ name: value, value: number }) => ({ text: `\t${value} = ${number},`, comment: '' }));
  return block([{ text: `enum ${name} {`, comment: '' }, ...lines, { text: '};', comment: bytes(size) }]);
}

function section(btf: Btf, entries: readonly { type: BtfTypeId; offset: number; size: number }[]): string {
  return block(
    entries.map(({ type: id, offset, size }) => {
      const variable = btf.type(id);
      const type = 'type' in variable ? variable.type : id;
      return { text: `${declaration(btf, type, variable.name)};`, comment: `${offset}, ${bytes(size)}` };
    }),
  );
}

const TAB_WIDTH = 8;

/** Formats lines with their comments in one column. */
function block(lines: readonly Line[]): string {
  const texts = lines.map(({ text, comment }) => ({ text: text.replaceAll('\t', ' '.repeat(TAB_WIDTH / 2)), comment }));
  const width = Math.max(...texts.filter(({ comment }) => comment !== '').map(({ text }) => text.length), 0);
  return texts
    .map(({ text, comment }) => (comment === '' ? text : `${text.padEnd(width)}  /* ${comment} */`))
    .map((line) => `${line}\n`)
    .join('');
}
