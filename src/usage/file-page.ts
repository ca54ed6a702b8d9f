/** The manual page of the configuration file, from its JSON Schema. Pure. */

import { listed, type Page } from './command-page.js';
import { bold, heading, literal, page, paragraph, subheading, tagged, verbatim } from './roff.js';

/** The part of JSON Schema that the configuration uses. */
export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly examples?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  /** One of several mappings, which the value of "type" tells. */
  readonly oneOf?: readonly JsonSchema[];
  readonly const?: string;
  /** Stands for one of the definitions. */
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
}

export interface FilePageInput {
  readonly schema: JsonSchema;
  /** The default path of the file. */
  readonly path: string;
  readonly example: string;
  readonly version: string;
  readonly date: Date;
}

/** The mappings within the file, by their place: "services[].realServers[]". */
type Mappings = Map<string, JsonSchema>;

export function filePage({ schema: given, path, example, version, date }: FilePageInput): Page {
  const schema = withoutReferences(given, given.$defs ?? {});
  const mappings: Mappings = new Map();
  collect('', schema, mappings);
  const title = { name: 'beeline.yaml', section: 5, summary: "Beeline's configuration file", version, date } as const;
  const body = [
    ...heading('synopsis'),
    ...paragraph(path),
    ...heading('description'),
    ...paragraph(schema.description ?? ''),
    ...paragraph(
      'The file is YAML 1.2, one document, in UTF-8. Keys that are not named below are errors. ' +
        '"beeline check" reports every error with its line and column, "beeline reload" loads a changed file, and ' +
        '"beeline schema" prints the JSON Schema of the file.',
    ),
    ...heading('keys'),
    ...[...mappings].flatMap(([place, mapping]) => mappingSection(place, mapping, mappings)),
    ...heading('example'),
    ...verbatim(example),
    ...heading('see also'),
    ...['beeline', 'beeline-check', 'beeline-reload', 'beeline-schema'].map(
      (each, i, all) => `${bold(each)}(1)${i === all.length - 1 ? '' : ','}`,
    ),
  ];
  return { file: 'beeline.yaml.5', text: page(title, body) };
}

/** Puts the definitions in the places of what refers to them. */
function withoutReferences<Type>(value: Type, definitions: Readonly<Record<string, JsonSchema>>): Type {
  if (Array.isArray(value)) {
    return (value as unknown[]).map((each) => withoutReferences(each, definitions)) as Type;
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  const { $ref, ...rest } = value as JsonSchema;
  const whole = $ref === undefined ? rest : { ...definitions[$ref.replace('#/$defs/', '')], ...rest };
  return Object.fromEntries(
    Object.entries(whole).map(([key, each]) => [key, withoutReferences(each, definitions)]),
  ) as Type;
}

/** Collects every mapping, before those within it. If several are alike, only the first is collected. */
function collect(place: string, schema: JsonSchema, found: Mappings): void {
  if (schema.properties !== undefined && alike(schema, found) === undefined) {
    found.set(place, schema);
    const prefix = place === '' ? '' : `${place}.`;
    Object.entries(schema.properties).forEach(([key, value]) => {
      collect(prefix + key, value, found);
    });
  }
  if (schema.oneOf !== undefined && alike(schema, found) === undefined) {
    found.set(place, schema);
    schema.oneOf.forEach(({ properties = {} }) => {
      Object.entries(properties).forEach(([key, value]) => {
        collect(`${place}.${key}`, value, found);
      });
    });
  }
  if (schema.items !== undefined) {
    collect(`${place}[]`, schema.items, found);
  }
  schema.anyOf?.forEach((each) => {
    collect(place, each, found);
  });
}

function alike(schema: JsonSchema, found: Mappings): string | undefined {
  const textOf = ({ properties, oneOf }: JsonSchema): string => JSON.stringify(properties ?? oneOf);
  const text = textOf(schema);
  return [...found].find(([, each]) => textOf(each) === text)?.[0];
}

function mappingSection(place: string, schema: JsonSchema, mappings: Mappings): string[] {
  return schema.oneOf === undefined
    ? [
        ...subheading(place === '' ? 'At the top' : place),
        ...keysSection(Object.keys(schema.properties ?? {}), schema, mappings),
      ]
    : variantsSection(place, schema.oneOf, mappings);
}

function keysSection(
  keys: readonly string[],
  { properties = {}, required = [] }: JsonSchema,
  mappings: Mappings,
): string[] {
  return keys.flatMap((key) => {
    const value = properties[key]!;
    const need = required.includes(key) && value.default === undefined ? ', required' : '';
    return tagged(
      `${bold(key)} (${literal(kindOf(value, mappings))}${need})`,
      meaningOf(value),
      ...alternatives(value, mappings),
    );
  });
}

/** Describes the keys that most variants have, then what each has beside, or has not. */
function variantsSection(place: string, variants: readonly JsonSchema[], mappings: Mappings): string[] {
  const has = (variant: JsonSchema, key: string, like: JsonSchema): boolean =>
    JSON.stringify(variant.properties?.[key]) === JSON.stringify(like.properties![key]);
  const [first] = variants;
  const common = Object.keys(first?.properties ?? {}).filter(
    (key) => key !== 'type' && variants.filter((each) => has(each, key, first!)).length > variants.length / 2,
  );
  return [
    ...subheading(place),
    ...tagged(
      `${bold('type')} (${literal(`one of ${listed(variants.flatMap(typesOf), 'and')}`)}, required)`,
      'The other keys depend on the type: these are the keys of most types.',
    ),
    ...keysSection(common, first!, mappings),
    ...variants.flatMap((variant, i) => {
      const own = Object.keys(variant.properties ?? {}).filter((key) => key !== 'type' && !common.includes(key));
      const earlier = variants.slice(0, i);
      const known = own.filter((key) => earlier.some((each) => has(each, key, variant)));
      const before = earlier.find((each) => known.length > 0 && known.every((key) => has(each, key, variant)));
      const lacks = common.filter((key) => !(key in (variant.properties ?? {})));
      const keys = before === undefined ? own : own.filter((key) => !known.includes(key));
      const others = before === undefined ? '' : ` ${listed(known, 'and')}: as of ${listed(typesOf(before), 'or')}.`;
      const without = lacks.length === 0 ? '' : ` It has no ${listed(lacks, 'or')}.`;
      // A heading is one line, however many types it is for.
      const [type = '', ...more] = typesOf(variant);
      const all = more.length === 0 ? '' : `${listed([type, ...more], 'and')}. `;
      return [
        ...subheading(`${place} of type ${type}${more.length === 0 ? '' : ' and others'}`),
        ...paragraph(`${all}${variant.description ?? ''}${others}${without}`),
        ...keysSection(keys, variant, mappings),
      ];
    }),
  ];
}

function typesOf({ properties = {} }: JsonSchema): readonly string[] {
  const { const: only, enum: several = [] } = properties['type'] ?? {};
  return only === undefined ? several : [only];
}

function meaningOf({ description = '', examples = [], default: fallback }: JsonSchema): string {
  const example = examples.length === 0 ? '' : ` For example ${listed(examples, 'or')}.`;
  const hasDefault = /\bdefault\b/i.test(description) || (typeof fallback !== 'string' && typeof fallback !== 'number');
  return description + example + (hasDefault ? '' : ` Default: ${fallback}.`);
}

/** Describes the forms of a value that have their own description. */
function alternatives({ anyOf = [], items }: JsonSchema, mappings: Mappings): string[] {
  return [...anyOf, ...(items?.anyOf ?? [])]
    .filter(({ description }) => description !== undefined)
    .map((each) => {
      const [kind, meaning] = [kindOf(each, mappings), meaningOf(each)];
      return `${kind.slice(0, 1).toUpperCase()}${kind.slice(1)}: ${meaning.slice(0, 1).toLowerCase()}${meaning.slice(1)}`;
    });
}

/** "whole number from 1 to 128", "list of texts", "one of native, generic and auto" */
function kindOf(schema: JsonSchema, mappings: Mappings, many = false): string {
  const { type, items, anyOf, minimum, maximum } = schema;
  if (anyOf !== undefined) {
    return listed([...new Set(anyOf.map((each) => kindOf(each, mappings, many)))], 'or');
  }
  if (schema.oneOf !== undefined) {
    return `mapping${many ? 's' : ''}${seeSection(schema, mappings)}`;
  }
  if (schema.enum !== undefined) {
    return `${many ? 'any of' : 'one of'} ${listed(schema.enum, 'and')}`;
  }
  const plural = many ? 's' : '';
  switch (type) {
    case 'array':
      return `list of ${kindOf(items ?? {}, mappings, true)}`;
    case 'object':
      return `mapping${plural}${seeSection(schema, mappings)}`;
    case 'number':
      return `number${plural} from ${minimum ?? 0}${maximum === undefined ? '' : ` to ${maximum}`}`;
    case 'boolean':
      return 'true or false';
    case 'integer':
      return `whole number${plural} from ${minimum ?? 0}${maximum === undefined ? '' : ` to ${maximum}`}`;
    default:
      return `text${plural}`;
  }
}

function seeSection(schema: JsonSchema, mappings: Mappings): string {
  const place = alike(schema, mappings);
  return place === undefined ? '' : `, see ${place}`;
}
