// Reads meters with node-mbus: tcp HOST PORT, or serial DEVICE BAUD; then primary or secondary addresses, the latter in
// the order of the wire, as libmbus takes them. One JSON object a line: {"address", "records": [{storage, unit, value}]}
// Without addresses it looks for secondary ones by wildcards: one JSON list of what it finds.
'use strict';

const MbusMaster = require('node-mbus');

// How long libmbus waits for an answer; it also waits so long to be sure that a line is quiet.
const TIMEOUT_MS = 400;

const [kind, where, number, ...addresses] = process.argv.slice(2);
const options = kind === 'tcp'
    ? { host: where, port: Number(number), timeout: TIMEOUT_MS }
    : { serialPort: where, serialBaudRate: Number(number) };
const master = new MbusMaster(options);

function fail(error) {
    console.error(`${where}: ${error && error.message ? error.message : error}`);
    process.exit(1);
}

function told(record) {
    return { storage: record.StorageNumber || 0, unit: record.Unit, value: record.Value };
}

function next() {
    const address = addresses.shift();
    if (address === undefined) {
        master.close(() => process.exit(0));
        return;
    }
    master.getData(address.length === 16 ? address : Number(address), (error, data) => {
        if (error) fail(`${address}: ${error.message || error}`);
        const records = [].concat(data.DataRecord).filter((record) => record.Unit).map(told);
        console.log(JSON.stringify({ address, id: String(data.SlaveInformation.Id), records }));
        next();
    });
}

function scan() {
    master.scanSecondary((error, found) => {
        if (error) fail(error);
        console.log(JSON.stringify(found));
        next();
    });
}

master.connect((error) => {
    if (error) fail(error);
    else if (addresses.length) next();
    else scan();
});
