/** Writes a model as the text of a configuration file: a new one, or an old one with its comments. Pure. */

import { Document, isMap, parseDocument, visit, type YAMLMap } from 'yaml';

import { BeelineError, diffModels, type Model } from '../model/index.js';
import { expandAliases, moveAnchors, targetsOf } from './anchors.js';
import { keepForm } from './keep-form.js';
import { mergeMap, shorten } from './merge.js';
import { ConfigError, parseConfig } from './parse.js';
import { configOf } from './to-config.js';
import { type Mapping, mapping, type Value } from './value.js';

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
    if (updated !== undefined && means(updated, model, fileName)) {
      const kept = keepForm(text, textOf(parseDocument(text, { stringKeys: true }), text), updated);
      return isReadableAs(kept, model, fileName) ? kept : updated;
    }
  }
  throw new BeelineError('INTERNAL', `the text for ${fileName} does not mean what is running`, {
    hint: '"beeline save OTHER-FILE" writes a new file.',
  });
}

/** @throws ConfigError */
function means(text: string, model: Model, fileName: string): boolean {
  return diffModels(parseConfig(text, fileName), model).length === 0;
}

function isReadableAs(text: string, model: Model, fileName: string): boolean {
  try {
    return means(text, model, fileName);
  } catch (error) {
    if (error instanceof ConfigError) {
      return false;
    }
    throw error;
  }
}

function attempt(text: string, before: Model, model: Model, expand: boolean): string | undefined {
  const document: Document = parseDocument(text, { stringKeys: true });
  if (expand) {
    expandAliases(document);
  }
  if (!isMap(document.contents)) {
    document.contents = document.createNode({});
  }
  const targets = targetsOf(document);
  try {
    mergeMap(document, document.contents as YAMLMap, fullOf(before), fullOf(model));
    moveAnchors(document, targets);
    return textOf(document, text);
  } catch (error) {
    // An alias of a value that is gone: the library throws both kinds of errors.
    if (!expand && error instanceof Error && /alias/i.test(error.message)) {
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

const PADDED = /\[ |\S \]/;

/** Whether a text within the document looks like a bracket with a space inside: it must stay as it is. */
function hasPaddedText(document: Document): boolean {
  let found = false;
  visit(document, {
    Scalar: (_key, { value }) => {
      found ||= typeof value === 'string' && PADDED.test(value);
      return found ? visit.BREAK : undefined;
    },
  });
  return found;
}

function textOf(document: Document, like: string): string {
  const text = document.toString({ lineWidth: 0, indentSeq: !/^[A-Za-z]+: *(#.*)?\r?\n- /m.test(like) });
  // The library writes spaces inside both kinds of brackets or inside neither.
  const tight =
    PADDED.test(like) || hasPaddedText(document)
      ? text
      : text.replace(/\[ (?=\S)/g, '[').replace(/(?<=\S) \](?=[,\s}\]]|$)/gm, ']');
  return like.includes('\r\n') ? tight.replace(/\r?\n/g, '\r\n') : tight;
}
