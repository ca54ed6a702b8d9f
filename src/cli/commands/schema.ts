/** `beeline schema`: the configuration's JSON Schema. */

import { Command } from 'commander';

import { withExamples } from '../../usage/index.js';
import { printJson } from '../terminal/print.js';

export function schemaCommand(): Command {
  const schema = new Command('schema')
    .summary("print the configuration's JSON Schema")
    .description(
      'Print the JSON Schema of the configuration file. Editors with a YAML language server use it after a first line ' +
        'of "# yaml-language-server: $schema=FILE".',
    )
    .action(async () => {
      const { jsonSchema } = await import('../../config/index.js');
      printJson(jsonSchema());
    });
  return withExamples(schema, [
    'beeline schema > beeline.schema.json',
    'write the schema for an editor, named in the first line of beeline.yaml',
  ]);
}
