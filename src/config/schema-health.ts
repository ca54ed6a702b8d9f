/** The shapes of health in the configuration file: of a service, of a real server, and of all checks. */

import { z } from 'zod';

import {
  DEFAULT_CHECK_TIMING,
  type HealthPolicy,
  type HealthSettings,
  INITIALLY,
  type IpAddress,
  MAX_WEIGHT,
  ON_FAILURE,
  type Quorum,
  type RealServerHealth,
  SLOW_CHECK_TIMING,
} from '../model/index.js';
import { checks, keysOfCheck, offOrTypeAlone, requestMapping, stepMapping, typeAlone } from './schema-check.js';
import {
  absolutePath,
  command,
  portRange,
  seconds,
  secondsFrom,
  timingShape,
  trueOrFalse,
  webUrl,
} from './schema-check-values.js';
import { ipAddress, wholeNumber } from './schema-values.js';

/** Seconds for which something lasts; 0: it does not. */
const duration = secondsFrom(0);

function initially(fallback: string): z.ZodOptional<z.ZodEnum<{ up: 'up'; down: 'down' }>> {
  return z
    .enum(INITIALLY, { error: 'must be up or down' })
    .optional()
    .meta({ description: `What a real server is until its first check has ended: up or down. ${fallback}` });
}

const slow = (key: keyof typeof SLOW_CHECK_TIMING): string =>
  `Default: ${DEFAULT_CHECK_TIMING[key]}; ${SLOW_CHECK_TIMING[key]} for checks with TLS, programs and files.`;

const QUORUM_FORM = 'must be a sum of weights, or a mapping with "weight" and "hysteresis"';
const weight = wholeNumber(1, MAX_WEIGHT);

const sumOfWeights = z
  .number({ error: QUORUM_FORM })
  .int({ error: QUORUM_FORM })
  .min(1, { error: QUORUM_FORM })
  .max(MAX_WEIGHT, { error: QUORUM_FORM });

const quorumMapping = z.lazy(() =>
  z.strictObject(
    {
      weight: weight.meta({ description: 'The least sum of the weights of the real servers that are up.' }),
      hysteresis: wholeNumber(0, MAX_WEIGHT).optional().meta({
        description:
          'The quorum is lost below "weight" less this, and met again from "weight" and this on. Default: 0.',
      }),
    },
    { error: QUORUM_FORM },
  ),
);

const dampingMapping = z.lazy(() =>
  z.strictObject(
    {
      changes: wholeNumber(1, 1000).meta({ description: 'After one of its checks went down so many times …' }),
      within: seconds.meta({ description: '… within so many seconds …' }),
      hold: seconds.meta({
        description: '… a real server stays down until that check has passed for so many seconds.',
      }),
    },
    { error: 'must be a mapping with "changes", "within" and "hold"' },
  ),
);

const fallbackAddress = ipAddress('A host that takes new flows. 127.0.0.1 and ::1 are the director itself.');
const FALLBACK_FORM = 'must be an IP address, or a list of them';

/** What is at a service and at a real server alike, in the words for the one or the other. */
function commonShape(ofRealServer: boolean) {
  const own = 'Default: that of the service.';
  const defaults = {
    interval: slow('interval'),
    timeout: slow('timeout'),
    fastInterval: `Default: ${DEFAULT_CHECK_TIMING.fastInterval}, or the interval if that is shorter.`,
    jitter: `Default: ${DEFAULT_CHECK_TIMING.jitter}.`,
    rise: `Default: ${DEFAULT_CHECK_TIMING.rise}.`,
    fall: `Default: ${DEFAULT_CHECK_TIMING.fall}.`,
  };
  return {
    ...timingShape(
      ofRealServer ? { interval: own, timeout: own, fastInterval: own, jitter: own, rise: own, fall: own } : defaults,
    ),
    initially: initially(ofRealServer ? own : 'Default: up.'),
    slowStart: duration.optional().meta({
      description: `For so many seconds after a real server came up, its weight grows to its own; not under rr, lc, sh, dh and fo. ${ofRealServer ? own : 'Default: 0.'}`,
    }),
  };
}

const SERVICE_FORM = 'must be a type of check (tcp, http, https, …), or a mapping with "checks"';

const policyMapping = z.lazy(() =>
  z.strictObject(
    {
      checks: checks.meta({
        description:
          'A real server is up if it passes all of them: a type, a mapping, or a list of both. An empty list: only real ' +
          'servers that have checks of their own are checked.',
      }),
      ...commonShape(false),
      onFailure: z
        .enum(ON_FAILURE, { error: 'must be remove or quiesce' })
        .optional()
        .meta({
          description:
            'What happens to the flows of a real server that fails. remove (default): they go to others. quiesce: they stay, ' +
            'and new ones go to others.',
        }),
      quorum: z
        .union([sumOfWeights.transform((each): Quorum => ({ weight: each })), quorumMapping])
        .optional()
        .meta({ description: 'How much of its real servers the service needs, as a sum of weights. Default: 1.' }),
      fallback: z
        .union([
          fallbackAddress.transform((each): readonly IpAddress[] => [each]),
          z
            .array(fallbackAddress, { error: FALLBACK_FORM })
            .min(1, { error: 'must name an address' })
            .max(64, { error: 'must name at most 64 addresses' }),
        ])
        .optional()
        .meta({
          description:
            'Hosts that take new flows while the quorum is lost (sorry servers): an address or a list. 127.0.0.1 and ::1 are ' +
            'the director itself.',
        }),
      panic: trueOrFalse.optional().meta({
        description:
          'Whether all real servers are used while the quorum is lost, whatever their checks say. Default: false.',
      }),
      damping: dampingMapping.optional().meta({
        description: 'Keeps a real server that comes and goes out of service until it is steady. Default: none.',
      }),
    },
    { error: SERVICE_FORM },
  ),
);

/** Of a service. Built when it is first needed: most commands read no health. */
export const serviceHealth = z
  .lazy((): z.ZodType<HealthPolicy> =>
    z.union([
      typeAlone(SERVICE_FORM)
        .transform((type): HealthPolicy => ({ checks: [{ type }] }))
        .meta({ description: 'The type of the only check, whose settings all have their defaults.' }),
      policyMapping,
    ]),
  )
  .meta({
    id: 'serviceHealth',
    description: "Health checks of the service's real servers, and what follows from them. Default: none are checked.",
  });

const SERVER_FORM = 'must be off, a type of check (tcp, http, https, …), or a mapping';

const serverMapping = z.lazy(() =>
  z.strictObject(
    {
      checks: checks.optional().meta({
        description: 'Replace those of the service. An empty list, or "health: off": it is not checked, and always up.',
      }),
      ...commonShape(true),
    },
    { error: SERVER_FORM },
  ),
);

/** Of a real server. */
export const realServerHealth = z
  .lazy((): z.ZodType<RealServerHealth> =>
    z.union([
      offOrTypeAlone(SERVER_FORM)
        .transform((type): RealServerHealth => ({ checks: type === 'off' ? [] : [{ type }] }))
        .meta({ description: 'Off, or the type of the only check.' }),
      serverMapping,
    ]),
  )
  .meta({ id: 'realServerHealth', description: "What this real server's checks have of their own." });

const HOOK_FORM = 'must be a mapping with "command" or "url"';

const hookMapping = z.lazy(() =>
  z.strictObject(
    {
      command: command.optional().meta({
        description: 'A program of this host, and its arguments. It reads the event as JSON. Either this or "url".',
      }),
      url: webUrl.optional().meta({ description: 'Where the event is posted as JSON.' }),
      secretFile: absolutePath.optional().meta({
        description:
          'With "url": a file whose content signs what is posted, by HMAC-SHA256 in the header X-Beeline-Signature.',
      }),
      timeout: secondsFrom(0.1, 3600)
        .optional()
        .meta({ description: 'Seconds within which it must be done. Default: 10.' }),
    },
    { error: HOOK_FORM },
  ),
);

const hook = z.lazy(() =>
  hookMapping.superRefine((each, context) => {
    if ((each.command === undefined) === (each.url === undefined)) {
      context.addIssue({ code: 'custom', message: 'must have "command" or "url", and not both' });
    } else if (each.secretFile !== undefined && each.url === undefined) {
      context.addIssue({ code: 'custom', message: 'has "secretFile", which needs "url": it signs what is posted' });
    }
  }),
);

/** At the top of the file. */
export const healthSettings = z
  .lazy((): z.ZodType<HealthSettings> =>
    z.strictObject(
      {
        ports: portRange.optional().meta({
          description: 'The local ports that checks use, which no other program may have. Default: 61000-65095.',
        }),
        hooks: z
          .array(hook, { error: 'must be a list of hooks' })
          .max(16, { error: 'must have at most 16 hooks' })
          .optional()
          .meta({
            description:
              'Who is told of changes: a real server goes down or comes up, a quorum is lost, somebody disables a real server.',
          }),
      },
      { error: 'must be a mapping with "ports" and "hooks"' },
    ),
  )
  .meta({ description: 'What holds for the health checks of all services.' });

/**
 * Returns the keys that a mapping within health may have; undefined: it is no part of health.
 *
 * @param path from the top of the file
 * @param value the mapping
 */
export function keysInHealth(path: readonly unknown[], value: unknown): readonly string[] | undefined {
  const start = path.indexOf('health');
  if (start < 0) {
    return undefined;
  }
  const [key, ...rest] = path.slice(start + 1);
  const inner = path.findLast((each) => typeof each === 'string');
  switch (key) {
    case undefined: {
      const policy = path.includes('realServers') ? serverMapping : policyMapping;
      return start === 0 ? ['ports', 'hooks'] : Object.keys(policy.unwrap().shape);
    }
    case 'hooks':
      return Object.keys(hookMapping.unwrap().shape);
    case 'quorum':
      return Object.keys(quorumMapping.unwrap().shape);
    case 'damping':
      return Object.keys(dampingMapping.unwrap().shape);
    default:
      break;
  }
  if (rest.length > 1 && (inner === 'requests' || inner === 'steps')) {
    return Object.keys((inner === 'steps' ? stepMapping : requestMapping).unwrap().shape);
  }
  return keysOfCheck((value as { readonly type?: unknown } | undefined)?.type);
}
