/**
 * Writes the TypeScript module with the offsets and sizes of every struct that the BPF program and the control plane
 * share, read from the object's BTF.
 *
 *   node scripts/generate-layout.js OBJECT OTHER_OBJECT... OUTPUT.ts     writes OUTPUT.ts if it differs
 *   node scripts/generate-layout.js OBJECT OTHER_OBJECT...               prints the module
 *
 * Types that only the other objects have come last. They are not part of the fingerprint, because pinned maps do not depend
 * on them.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const addon = createRequire(import.meta.url)(`../dist/native/${process.platform}-${process.arch}/bpf.node`);

const paths = process.argv.slice(2);
const output = paths.at(-1).endsWith('.ts') ? paths.pop() : undefined;
const [object, ...otherObjects] = paths;
/** The types of the object that is being read. */
let types = addon.btfParse(readFileSync(object));

const resolve = (id) => {
  const type = types[id];
  return ['typedef', 'const', 'volatile', 'restrict', 'type-tag'].includes(type.kind) ? resolve(type.type) : type;
};

const sizeOf = (id) => {
  const type = resolve(id);
  return type.kind === 'array' ? type.length * sizeOf(type.type) : type.size;
};

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

/** Returns every named struct and enum in a map's value or a global variable, in the order of their ids. */
function sharedTypes() {
  const found = new Set();
  const visit = (id) => {
    const type = resolve(id);
    if (type.kind === 'array' || type.kind === 'pointer') visit(type.type);
    if (type.kind === 'struct') {
      if (type.name !== '') found.add(types.indexOf(type));
      for (const member of type.members) visit(member.type);
    }
    if (type.kind === 'enum' && type.name !== '') found.add(types.indexOf(type));
  };
  for (const type of types) {
    if (type.kind === 'section') for (const entry of type.entries) visit(types[entry.type].type);
  }
  return [...found].sort((a, b) => a - b).map((id) => types[id]);
}

function structSource({ name, size, members }) {
  const lines = members.map(({ name: member, type, bitOffset }) => {
    const { kind, type: element } = resolve(type);
    const width = kind === 'array' ? `, stride: ${sizeOf(element)}` : '';
    return `  ${camel(member)}: { offset: ${bitOffset / 8}, size: ${sizeOf(type)}${width} },`;
  });
  return `/** struct ${name} */\nexport const ${camel(name)} = {\n  byteLength: ${size},\n${lines.join('\n')}\n} as const;\n`;
}

/** Turns VERDICT_NO_SERVICE into 'no-service'. Leaves out a last value called …_COUNT, which counts the others. */
function enumSource({ name, values }) {
  const lines = values
    .filter((value) => !value.name.endsWith('_COUNT'))
    .map(({ name: value, value: number }) => {
      const short = value
        .slice(value.indexOf('_') + 1)
        .toLowerCase()
        .replaceAll('_', '-');
      const digits = typeof number === 'bigint' ? `0x${number.toString(16)}n` : number;
      return `  ${/^[a-z0-9]+$/.test(short) && !/^0./.test(short) ? short : `'${short}'`}: ${digits},`;
    });
  return `/** enum ${name} */\nexport const ${camel(name)} = {\n${lines.join('\n')}\n} as const;\n`;
}

/** Returns the source for the variables of .rodata, which are set before the object is loaded. */
function sectionSource() {
  const section = types.find((type) => type.kind === 'section' && type.name === '.rodata');
  const lines = section.entries.map(
    ({ type, offset, size }) => `  ${camel(types[type].name)}: { offset: ${offset}, size: ${size} },`,
  );
  const bytes = Math.max(...section.entries.map(({ offset, size }) => offset + size));
  return `/** The section .rodata */\nexport const readOnlyData = {\n  byteLength: ${bytes},\n${lines.join('\n')}\n} as const;\n`;
}

const typeSource = (type) => (type.kind === 'enum' ? enumSource(type) : structSource(type));

const shared = sharedTypes();
const body = [...shared.map(typeSource), sectionSource()].join('\n');
/** Names of the types that are written already. */
const known = new Set(shared.map(({ name }) => name));

/** Returns the source for the types that an object has and those before it have not. */
function otherSource(path) {
  types = addon.btfParse(readFileSync(path));
  const added = sharedTypes().filter(({ name }) => !known.has(name));
  for (const { name } of added) known.add(name);
  return added.map(typeSource).join('\n');
}

const otherSources = otherObjects.map(otherSource);
const fingerprint = createHash('sha256').update(body).digest('hex').slice(0, 16);
const source = `/** Made by scripts/generate-layout.js from the BTF of director.bpf.o: change bpf/layout.h or bpf/verdict.h (bpf/explain.h, bpf/check.h, bpf/host.h) instead. */

/** Tells this layout from every other; maps that carry another are never adopted. */
export const fingerprint = 0x${fingerprint}n;

${body}
${otherSources.join('\n')}`;

if (output === undefined) {
  process.stdout.write(source);
} else if (!existsSync(output) || readFileSync(output, 'utf8') !== source) {
  writeFileSync(output, source);
}
