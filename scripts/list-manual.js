/** Lists the pages of dist/man in package.json, because npm installs the pages that are named there. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const text = readFileSync('package.json', 'utf8');
const pages = readdirSync('dist/man')
  .sort()
  .map((file) => `dist/man/${file}`);
const next = text.replace(
  /("man": )\[[^\]]*\]/,
  (_, key) => key + JSON.stringify(pages, undefined, 2).replaceAll('\n', '\n  '),
);
if (next !== text) {
  writeFileSync('package.json', next);
}
