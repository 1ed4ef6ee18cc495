// A person at a browser, for the end-to-end tests and benchmarks: one JSON line in, `{"act": …}`, one out. The tests decide what is done
// and when; the acts are in hub.mjs, clinic.mjs and measure.mjs.

import { createInterface } from 'node:readline';

import * as clinic from './clinic.mjs';
import * as hub from './hub.mjs';
import * as measure from './measure.mjs';
import { close, faults, leave, start } from './people.mjs';

const acts = { ...hub, ...clinic, ...measure, faults, leave };

await start();
for await (const line of createInterface({ input: process.stdin })) {
  const { act, ...said } = JSON.parse(line);
  let answer;
  try {
    if (!acts[act]) {
      throw new Error(`there is no act called ${act}`);
    }
    answer = { done: (await acts[act](said)) ?? null };
  } catch (error) {
    answer = { failed: `${act}: ${error.stack}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await close();
