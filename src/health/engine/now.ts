/** Runs the checks of a real server once, beside their schedule, for people who ask. */

import { setTimeout as sleep } from 'node:timers/promises';

import { isSlowCheck } from '../../model/index.js';
import type { SlowResult } from '../slow/slow.js';
import type { NowReport } from './events.js';
import { type Course, type Ended, Exchange, type StepReport } from './exchange.js';
import type { PlannedCheck, Spot } from './plan.js';
import { type Runnable, type Runner, SOON } from './runner.js';

/** How long to wait for the wire, and the way. */
const PATIENCE_MS = 5_000;
const STEP_MS = 20;
/** Beyond the timeout: a check in the air of a wire that is closed has no result. */
const GRACE_MS = 10_000;

export async function checkOnce(runner: Runner, { label, check, timing, spot }: PlannedCheck): Promise<NowReport> {
  const steps: StepReport[] = [];
  if (typeof spot === 'string') {
    return { label, trouble: spot, steps };
  }
  let end: (result: SlowResult) => void = () => undefined;
  const ended = new Promise<SlowResult>((resolve) => {
    end = resolve;
  });
  const timeoutMs = timing.timeout * 1000;
  let stop = (): void => undefined;
  const giveUp = setTimeout(
    () => {
      end({ trouble: 'the check has no result: the wire was closed meanwhile' });
    },
    PATIENCE_MS + timeoutMs + GRACE_MS,
  );
  try {
    const runnable = runnableOf(check, spot, timeoutMs, end, steps);
    const course = await courseOf(runner, runnable);
    if (course !== undefined && 'trouble' in course) {
      end(course);
    } else if (runnable.exchange !== undefined) {
      const { exchange } = runnable;
      const board = runner.board!;
      exchange.begin(board, course!);
      board.flush();
      stop = (): void => {
        if (runner.board === board) {
          exchange.drop();
        }
      };
    } else {
      stop = runner.startSlow(runnable, course, end);
    }
    return { label, ...(await ended), steps };
  } catch (error) {
    return { label, trouble: error instanceof Error ? error.message : String(error), steps };
  } finally {
    clearTimeout(giveUp);
    stop();
  }
}

function runnableOf(
  check: PlannedCheck['check'],
  spot: Spot,
  timeoutMs: number,
  end: (result: SlowResult) => void,
  steps: StepReport[],
): Runnable {
  const onEnd = (ended: Ended): void => {
    end(ended);
  };
  const exchange = isSlowCheck(check)
    ? undefined
    : new Exchange(check, spot, timeoutMs, onEnd, (step) => {
        steps.push(step);
      });
  const rank = { isDown: false, intervalMs: Infinity };
  return { check, spot, timeoutMs, exchange, rank, knownCourse: () => undefined, setCourse: () => undefined };
}

async function courseOf(runner: Runner, runnable: Runnable): Promise<Course | { trouble: string } | undefined> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const course = runner.courseOf(runnable);
    if (course !== SOON) {
      return course;
    }
    if (performance.now() > deadline) {
      return { trouble: 'the way to the real server is not known yet' };
    }
    await sleep(STEP_MS);
  }
}
