// What AsyncAPI's own parser has to say of each document, printed as one JSON array: its diagnostics, by document.
// Standard input is a JSON array of documents; the folder in which it runs has to hold @asyncapi/parser.

import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';

const { Parser } = createRequire(join(process.cwd(), 'package.json'))('@asyncapi/parser');
const parser = new Parser();
const said = [];
for (const document of JSON.parse(await text(process.stdin))) {
  said.push(await parser.validate(JSON.stringify(document)));
}
process.stdout.write(JSON.stringify(said));
