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

export function filePage({ schema, path, example, version, date }: FilePageInput): Page {
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

/** Collects every mapping, before those within it. If several are alike, only the first is collected. */
function collect(place: string, schema: JsonSchema, found: Mappings): void {
  if (schema.properties !== undefined && alike(schema, found) === undefined) {
    found.set(place, schema);
    const prefix = place === '' ? '' : `${place}.`;
    Object.entries(schema.properties).forEach(([key, value]) => {
      collect(prefix + key, value, found);
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
  const text = JSON.stringify(schema.properties);
  return [...found].find(([, { properties }]) => JSON.stringify(properties) === text)?.[0];
}

function mappingSection(place: string, { properties = {}, required = [] }: JsonSchema, mappings: Mappings): string[] {
  return [
    ...subheading(place === '' ? 'At the top' : place),
    ...Object.entries(properties).flatMap(([key, value]) => {
      const need = required.includes(key) && value.default === undefined ? ', required' : '';
      return tagged(
        `${bold(key)} (${literal(kindOf(value, mappings))}${need})`,
        meaningOf(value),
        ...alternatives(value, mappings),
      );
    }),
  ];
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
  if (schema.enum !== undefined) {
    return `${many ? 'any of' : 'one of'} ${listed(schema.enum, 'and')}`;
  }
  const plural = many ? 's' : '';
  switch (type) {
    case 'array':
      return `list of ${kindOf(items ?? {}, mappings, true)}`;
    case 'object':
      return `mapping${plural}${seeSection(schema, mappings)}`;
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
