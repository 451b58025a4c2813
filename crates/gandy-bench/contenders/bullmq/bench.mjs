// BullMQ: its worker and its producer, one verb a process (see ../README.md).
import { appendFileSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

// The packages are in DIR, not beside this file.
const require = createRequire(`${process.env.DIR}/`);
const { Queue, Worker } = require('bullmq');
const { Redis } = require('ioredis');

const verb = process.argv[2];
const { REDIS_URL, WORK = 'noop', LATENCY_FILE } = process.env;
const jobs = Number(process.env.JOBS);
const text = 'x'.repeat(102);

// The monotonic clock, which all processes of a machine share: Date.now() only has milliseconds, and a wall clock in
// nanoseconds would not fit a number. Sent as text for the same reason.
const now = () => process.hrtime.bigint();

// Keeps the defaults (lock 30 s, stalled check 30 s). maxRetriesPerRequest must be null for a worker.
const connect = () => new Redis(REDIS_URL, { maxRetriesPerRequest: null });

let file;
const handlers = {
  noop: () => {},
  sleep1: () => sleep(1),
  sleep10: () => sleep(10),
  compute1: () => {
    const end = now() + 1_000_000n;
    while (now() < end);
  },
  latency: ([pushed]) => {
    const nanoseconds = now() - BigInt(pushed);
    file ??= openSync(LATENCY_FILE, 'a');
    appendFileSync(file, `${nanoseconds}\n`);
  },
};

function work() {
  const worker = new Worker('bench', async (job) => handlers[job.name](job.data), {
    connection: connect(),
    concurrency: Number(process.env.CONCURRENCY),
  });
  worker.on('error', (error) => console.error(error));
  worker.on('failed', (_, error) => console.error(error));
  process.once('SIGTERM', async () => {
    await worker.close();
    process.exit(0);
  });
}

// Without removeOnComplete every finished job stays in Redis, and finishing it costs more.
const opts = { removeOnComplete: true, removeOnFail: true };

const producers = {
  async fill(queue) {
    for (let from = 0; from < jobs; from += 1000) {
      const bulk = [];
      for (let i = from; i < Math.min(from + 1000, jobs); i++) bulk.push({ name: WORK, data: [i, text], opts });
      await queue.addBulk(bulk);
    }
  },
  async push(queue) {
    for (let i = 0; i < jobs; i++) await queue.add(WORK, [i, text], opts);
  },
  async push64(queue) {
    let next = 0;
    const caller = async () => {
      while (next < jobs) await queue.add(WORK, [next++, text], opts);
    };
    await Promise.all(Array.from({ length: 64 }, caller));
  },
  async pickup(queue) {
    const start = performance.now();
    for (let i = 0; i < jobs; i++) {
      await sleep(Math.max(0, start + i * Number(process.env.PACE_MS) - performance.now()));
      await queue.add('latency', [now().toString(), text], opts);
    }
  },
};

async function produce() {
  const queue = new Queue('bench', { connection: connect() });
  await queue.waitUntilReady();
  const start = performance.now();
  await producers[verb](queue);
  console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000 }));
  await queue.close();
  process.exit(0);
}

if (verb === 'work') work();
else await produce();
