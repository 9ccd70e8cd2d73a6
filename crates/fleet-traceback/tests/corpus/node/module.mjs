import { readFile } from 'node:fs/promises';
await readFile(`/srv/data/none-${process.argv[2]}`);
