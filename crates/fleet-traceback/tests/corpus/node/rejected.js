async function load(seed) {
  await null;
  throw new RangeError(`seed ${seed} is out of range\nsecond line`);
}
load(process.argv[2]);
