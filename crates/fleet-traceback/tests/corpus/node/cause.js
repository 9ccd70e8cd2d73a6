const seed = process.argv[2];

function read() {
  try {
    null.field;
  } catch (error) {
    throw new Error(`no shard ${seed}`, { cause: error });
  }
}

read();
