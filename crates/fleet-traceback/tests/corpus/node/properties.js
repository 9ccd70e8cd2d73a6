require('fs').readFileSync(`/srv/data/none-${process.argv[2]}`);
