/** One run of a check by the wire: its talks one after another, turn by turn. */

import type { IpAddress, NetworkCheck } from '../../model/index.js';
import { type Request, requestsOf } from '../kinds/index.js';
import { failed, type Judgement, type Talk, type Target, type Turn } from '../kinds/kind.js';
import type { Outcome } from '../outcome.js';
import type { CheckJob } from '../wire/job.js';
import type { CheckResult, Outcome as WireOutcome } from '../wire/result.js';
import type { Board, Receiver } from './board.js';
import { judgeResult, type NotMade } from './judgement.js';
import type { Spot } from './plan.js';
import type { Way } from './ways.js';

/** One turn, for people. */
export interface StepReport {
  /** Of several requests: which. */
  readonly request?: string | undefined;
  readonly outcome: WireOutcome;
  /** Bytes. */
  readonly sent: number;
  readonly received: number;
  /** Milliseconds until the connection was there, and to the end of the turn. */
  readonly connectMs?: number | undefined;
  readonly totalMs: number;
  readonly httpStatus?: number | undefined;
}

/** The end of a run: a result, or why there is none. */
export type Ended = { readonly outcome: Outcome } | NotMade;

/** Where the packets of a check go, now that the way is known. */
export interface Course {
  readonly local: IpAddress;
  readonly rip: IpAddress;
  readonly vip?: IpAddress;
  readonly scope?: number;
}

/**
 * A real server that is this host has its packets never on a wire. The check goes to the VIP if the host has it at this
 * moment, as the packets of clients do; a standby has none, and asks at the real server's address, which is this host's.
 *
 * @param hasVip whether this host has it
 */
export function courseOf(
  { rip, vip }: Pick<Spot, 'rip' | 'vip'>,
  way: Exclude<Way, { kind: 'none' }>,
  hasVip: boolean,
): Course {
  if (way.kind === 'here') {
    const at = vip !== undefined && hasVip ? vip : loopback(rip);
    return { local: at, rip: at };
  }
  const { local, scope } = way;
  return { local, rip, ...(vip !== undefined && { vip }), ...(scope !== undefined && { scope }) };
}

/** "0.0.0.0" means this host, and is no address to connect to. */
function loopback(rip: IpAddress): IpAddress {
  return rip === '0.0.0.0' ? ('127.0.0.1' as IpAddress) : rip;
}

/**
 * Patterns are compiled, and requests written, once for all real servers that are asked the same at the same VIP. The last ones of
 * each check are known.
 */
const shared = new WeakMap<NetworkCheck, { readonly key: string; readonly requests: readonly Request[] }>();

function sharedRequests(check: NetworkCheck, target: Target): readonly Request[] {
  const key = `${target.protocol} ${target.address} ${target.port}`;
  const known = shared.get(check);
  if (known?.key === key) {
    return known.requests;
  }
  const requests = requestsOf(check, target);
  shared.set(check, { key, requests });
  return requests;
}

/** Made once for a check, and run again and again. */
export class Exchange implements Receiver {
  readonly #port: number;
  readonly #timeoutMs: number;
  readonly #requests: readonly Request[];
  readonly #onEnd: (ended: Ended) => void;
  readonly #onStep: ((step: StepReport) => void) | undefined;
  /** Where the job is defined. */
  #board: Board | undefined;
  #course: Course | undefined;
  #job: number | undefined;
  /** The first turn that the job says. */
  #said: Turn | undefined;
  #at = 0;
  #talk: Talk | undefined;
  /** Bytes of the turn. */
  #sent = 0;
  /** Of the requests before. */
  #micros = 0;

  /** @throws what a pattern that does not compile throws */
  constructor(
    check: NetworkCheck,
    { target }: Pick<Spot, 'target'>,
    timeoutMs: number,
    onEnd: (ended: Ended) => void,
    onStep?: (step: StepReport) => void,
  ) {
    this.#port = target.port;
    this.#timeoutMs = timeoutMs;
    this.#requests = sharedRequests(check, target);
    this.#onEnd = onEnd;
    this.#onStep = onStep;
  }

  get isRunning(): boolean {
    return this.#talk !== undefined;
  }

  /** Begins a run, with the board's next `flush`. @param course the same object as before: the job is the same */
  begin(board: Board, course: Course): void {
    if (board !== this.#board || course !== this.#course) {
      this.drop();
      this.#board = board;
      this.#course = course;
    }
    this.#at = 0;
    this.#micros = 0;
    this.#beginRequest();
  }

  /** Forgets the job, and the run without a result. */
  drop(): void {
    this.#talk = undefined;
    if (this.#job !== undefined) {
      this.#board?.undefine(this.#job);
    }
    this.forget();
  }

  /** The same when the board is gone. */
  forget(): void {
    this.#board = this.#job = this.#said = this.#talk = this.#course = undefined;
  }

  #beginRequest(): void {
    const board = this.#board!;
    const talk = this.#requests[this.#at]!.begin();
    this.#talk = talk;
    this.#sent = talk.first.send?.length ?? 0;
    if (this.#job !== undefined && this.#said !== talk.first) {
      board.undefine(this.#job);
      this.#job = undefined;
    }
    if (this.#job === undefined) {
      try {
        this.#job = board.define(this.#jobOf(talk), this);
      } catch (error) {
        this.#end({ trouble: `the check is none: ${error instanceof Error ? error.message : String(error)}` });
        return;
      }
      // The time that is left is another in each run.
      this.#said = this.#requests.length === 1 ? talk.first : undefined;
    }
    board.start(this.#job);
  }

  #jobOf({ transport, first, holds = false }: Talk): CheckJob {
    return {
      ...this.#course!,
      protocol: transport === 'icmp' ? 'ping' : transport,
      ...(transport !== 'icmp' && { port: this.#port }),
      ...(first.send && { send: first.send }),
      until: first.until,
      timeoutMs: Math.max(1, Math.round(this.#timeoutMs - this.#micros / 1000)),
      holds,
      bytes: first.until.on !== 'connected',
    };
  }

  take(result: CheckResult): void {
    const talk = this.#talk;
    if (talk === undefined) {
      this.#leave(result);
      return;
    }
    let next: Turn | Judgement | NotMade;
    try {
      next = this.#judge(talk, result);
    } catch (error) {
      this.#leave(result);
      this.#end({ trouble: 'the answer could not be judged' });
      throw error;
    }
    if ('until' in next) {
      this.#sent = next.send?.length ?? 0;
      this.#board!.proceed(result.flight!, { until: next.until, ...(next.send && { send: next.send }) });
      return;
    }
    this.#leave(result);
    if ('trouble' in next) {
      this.#end(next);
    } else {
      this.#judged(next, result);
    }
  }

  /** Returns a turn only if the connection is still there. */
  #judge(talk: Talk, result: CheckResult): Turn | Judgement | NotMade {
    const next = judgeResult(talk, result);
    if (this.#onStep !== undefined) {
      this.#tell(result, this.#onStep);
    }
    return 'until' in next && result.flight === undefined ? failed('L7', 'closed early') : next;
  }

  #leave({ flight }: CheckResult): void {
    if (flight !== undefined) {
      this.#board!.end(flight);
    }
  }

  #judged(judgement: Judgement, { totalMicros }: CheckResult): void {
    const { name } = this.#requests[this.#at]!;
    this.#micros += totalMicros;
    const ms = this.#micros / 1000;
    if (judgement.passed && this.#at + 1 < this.#requests.length) {
      this.#at += 1;
      if (ms < this.#timeoutMs) {
        this.#beginRequest();
        this.#board!.flush();
        return;
      }
      judgement = failed('L7', 'timeout');
    }
    const { passed, layer, words } = judgement;
    const at = !passed && name !== undefined ? `${this.#requests[this.#at]!.name}: ` : '';
    this.#end({ outcome: { passed, layer, words: `${at}${words}`, ms } });
  }

  #end(ended: Ended): void {
    this.#talk = undefined;
    this.#onEnd(ended);
  }

  #tell(result: CheckResult, onStep: (step: StepReport) => void): void {
    const { outcome, connectMicros, totalMicros, bytes, http } = result;
    const wasConnected = this.#talk?.transport !== 'tcp' || connectMicros !== undefined;
    onStep({
      request: this.#requests[this.#at]!.name,
      outcome,
      sent: wasConnected ? this.#sent : 0,
      received: bytes.length,
      connectMs: connectMicros === undefined ? undefined : connectMicros / 1000,
      totalMs: totalMicros / 1000,
      httpStatus: http?.status,
    });
  }
}
