/** `beeline schema`: prints the JSON Schema of the configuration. */

import { Command } from 'commander';

import { withExamples } from '../../usage/index.js';
import { printJson } from '../terminal/print.js';

export function schemaCommand(): Command {
  const schema = new Command('schema')
    .summary('print the JSON Schema of the configuration')
    .description(
      'Print the JSON Schema of the configuration file. Editors with a YAML language server use it if the first line of ' +
        'the configuration is "# yaml-language-server: $schema=FILE".',
    )
    .action(async () => {
      const { jsonSchema } = await import('../../config/index.js');
      printJson(jsonSchema());
    });
  return withExamples(schema, ['beeline schema > beeline.schema.json', 'write the schema to a file for an editor']);
}
