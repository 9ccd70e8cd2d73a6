throw `no error object ${process.argv[2]}`;
