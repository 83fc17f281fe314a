import { type RunOfItsOwn } from './command-line.js';
import { startMeasuredAllInOne } from './lab/all-in-one.js';
import type { Build } from './lab/build.js';
import { flatOut, paced } from './lab/entrance.js';
import type { Lab } from './lab/lab.js';
import type { Target } from './lab/target.js';
import { ThreeServices } from './lab/three-services.js';
import { batchedChain, withoutDatabase } from './limits/chain.js';
import type { Row } from './row.js';
import { agentEventsRow } from './rows/agent-events.js';
import { deadOriginRow } from './rows/dead-origin.js';
import { dispatcherRow } from './rows/dispatcher.js';
import { fanOutRow } from './rows/fan-out.js';
import { growthRows } from './rows/growth.js';
import { memoryRow } from './rows/memory.js';
import { manyRows } from './rows/many.js';
import { itemARequestRow, latencyRow } from './rows/over-http.js';
import { telemetryInArraysRow } from './rows/telemetry-in-arrays.js';
import { telemetryOverKafkaRow } from './rows/telemetry-over-kafka.js';
import { wholePathRow } from './rows/whole-path.js';

/** Rows that are measured on the same targets, one after the other. */
export interface Group<T extends Target> {
  readonly start: (lab: Lab, build: Build) => Promise<T>;
  readonly rows: readonly Row<T>[];
}

/** After which a broker takes for a request what it takes later on: bench/README.md. */
const BROKER_WARM_UP = 20_000;

function startThreeServices(items = BROKER_WARM_UP): Group<ThreeServices>['start'] {
  return (lab, build) => ThreeServices.start(lab, build, Math.min(BROKER_WARM_UP, items));
}

/** @param items in each timed window; undefined: each row's own number */
export function threeServices(items?: number): Group<ThreeServices> {
  return {
    start: startThreeServices(items),
    rows: [
      memoryRow(items),
      dispatcherRow(items),
      fanOutRow(items),
      wholePathRow(items),
      itemARequestRow('three services', 430, batchedChain(flatOut), items),
      telemetryOverKafkaRow('95 % repeats', 13, items),
      telemetryOverKafkaRow('repeats alone', 6, items),
      telemetryInArraysRow('95 % repeats', 13, items),
      telemetryInArraysRow('repeats alone', 6, items),
      latencyRow('three services', [2.5, 12], batchedChain(paced), items),
      agentEventsRow('GET', items),
      agentEventsRow('POST', items),
      deadOriginRow(items),
    ],
  };
}

/** @param items in each timed window; undefined: each row's own number */
export function allInOne(items?: number): Group<Target> {
  return {
    start: startMeasuredAllInOne,
    rows: [
      itemARequestRow('all-in-one', 320, withoutDatabase(flatOut), items),
      latencyRow('all-in-one', [1.8, 6], withoutDatabase(paced), items),
    ],
  };
}

/** Measured only when they are asked for by their names, on systems of their own. */
export const RUNS_OF_THEIR_OWN: Readonly<Record<RunOfItsOwn, (items?: number) => Group<ThreeServices>>> = {
  growth: (items) => ({ start: startThreeServices(items), rows: growthRows(items) }),
  many: (items) => ({ start: startThreeServices(items), rows: manyRows(items) }),
};
