const seed = process.argv[2];

function parse(text) {
  return JSON.parse(text);
}

console.log('begin');
parse(`{"seed": ${seed}`);
