const seed = process.argv[2];
for (const n of [1, 2]) {
  try {
    undefinedFunction(seed);
  } catch (error) {
    console.error(error);
  }
  console.error(`went on ${n}`);
}
console.error('job failed:', new Error(`late ${seed}`));
