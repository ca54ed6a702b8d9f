/** HTTP/1.1 over TLS: one request, or several, one after another. */

import type { HttpRequest, HttpsCheck } from '../../model/index.js';
import { httpTalk, requestsOf } from '../kinds/http.js';
import { failed } from '../kinds/kind.js';
import { converse } from './converse.js';
import type { Deadline } from './deadline.js';
import type { Finding, SlowContext } from './slow.js';
import { withTls } from './tls.js';

const HTTPS_PORT = 443;

/** Each request has a connection of its own; the first that fails decides. */
export async function checkHttps(check: HttpsCheck, context: SlowContext, deadline: Deadline): Promise<Finding> {
  const requests = requestsOf(check);
  let warning: string | undefined;
  let finding: Finding = { judgement: failed('L7', 'no request') };
  for (const request of requests) {
    finding = await makeRequest(check, request, context, deadline);
    warning ??= finding.warning;
    if (finding.judgement?.passed !== true) {
      finding = requests.length === 1 ? finding : named(finding, request);
      break;
    }
  }
  return { ...finding, warning };
}

function makeRequest(
  check: HttpsCheck,
  request: HttpRequest,
  context: SlowContext,
  deadline: Deadline,
): Promise<Finding> {
  const talk = httpTalk({ ...request, host: request.host ?? usualHost(context) }, context.target);
  return withTls(check, context, deadline, (stream) =>
    stream.alpnProtocol === 'h2'
      ? Promise.resolve({ trouble: 'the server chose h2, and this check speaks HTTP/1.1: leave h2 out of its alpn' })
      : converse(stream, talk(), deadline),
  );
}

function usualHost({ target: { address, family, port } }: SlowContext): string {
  return `${family === 6 ? `[${address}]` : address}${port === HTTPS_PORT ? '' : `:${port}`}`;
}

/** Which of several requests failed. */
function named(finding: Finding, { path = '/' }: HttpRequest): Finding {
  const { judgement } = finding;
  return judgement === undefined
    ? finding
    : { ...finding, judgement: { ...judgement, words: `${path}: ${judgement.words}` } };
}
