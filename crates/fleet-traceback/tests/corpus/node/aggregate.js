const seed = process.argv[2];
Promise.any([Promise.reject(new Error(`mirror ${seed} is down`)), Promise.reject(new TypeError('no url'))]);
