/** Writes a model as the text of a configuration file: a new one, or an old one with its comments. Pure. */

import {
  Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  type Node,
  parseDocument,
  type Scalar,
  visit,
  type YAMLMap,
} from 'yaml';

import { BeelineError, diffModels, type Model } from '../model/index.js';
import { mergeMap, shorten } from './merge.js';
import { parseConfig } from './parse.js';
import { configOf, type Mapping, mapping, type Value } from './to-config.js';

/** Returns the text of a new file. */
export function formatConfig(model: Model): string {
  const document = new Document(configOf(model));
  shorten(document.contents);
  return textOf(document, '');
}

/**
 * Returns a file's text, changed so that it means a model. Unchanged parts keep their form and their comments.
 *
 * @param text the text of a file without problems
 * @throws BeelineError `INTERNAL` if the new text would not mean the model
 */
export function updateConfig(text: string, model: Model, fileName: string): string {
  const before = parseConfig(text, fileName);
  if (diffModels(before, model).length === 0) {
    return text;
  }
  // If a value with an anchor changes in one place and not in another, each place gets a copy.
  for (const expand of [false, true]) {
    const updated = attempt(text, before, model, expand);
    if (updated !== undefined && diffModels(parseConfig(updated, fileName), model).length === 0) {
      return updated;
    }
  }
  throw new BeelineError('INTERNAL', `the text for ${fileName} does not mean what is running`);
}

function attempt(text: string, before: Model, model: Model, expand: boolean): string | undefined {
  const document: Document = parseDocument(text, { stringKeys: true });
  if (expand) {
    expandAliases(document);
  }
  if (!isMap(document.contents)) {
    document.contents = document.createNode({});
  }
  try {
    mergeMap(document, document.contents as YAMLMap, fullOf(before), fullOf(model));
    return textOf(document, text);
  } catch (error) {
    // An alias of a value that is gone.
    if (error instanceof ReferenceError && !expand) {
      return undefined;
    }
    throw error;
  }
}

/** Turns all real servers into mappings, so that they are compared key by key. */
function fullOf(model: Model): Mapping {
  const full = (services: Value | undefined): Value | undefined =>
    (services as Mapping[] | undefined)?.map((service) =>
      mapping({
        ...service,
        realServers: (service['realServers'] as Value[] | undefined)?.map((each) =>
          typeof each === 'string' ? { address: each, weight: 1 } : each,
        ),
      }),
    );
  const config = configOf(model);
  return mapping({ ...config, services: full(config['services']), marks: full(config['marks']) });
}

function expandAliases(document: Document): void {
  visit(document, {
    Alias: (_key, alias) => {
      const copy = alias.resolve(document)?.clone() as Node | undefined;
      if (isScalar(copy) || isCollection(copy)) {
        delete copy.anchor;
      }
      return copy;
    },
  });
  visit(document, {
    Node: (_key, node) => {
      if (!isAlias(node)) {
        delete (node as Scalar).anchor;
      }
    },
  });
}

function textOf(document: Document, like: string): string {
  const text = document.toString({ lineWidth: 0, indentSeq: !/^[A-Za-z]+: *(#.*)?\r?\n- /m.test(like) });
  // The library writes spaces inside both kinds of brackets or inside neither.
  const tight = /\[ |\S \]/.test(like)
    ? text
    : text.replace(/\[ (?=\S)/g, '[').replace(/(?<=\S) \](?=[,\s}\]]|$)/gm, ']');
  return like.includes('\r\n') ? tight.replace(/\r?\n/g, '\r\n') : tight;
}
