/** Judges the certificate that a server presents, in people's words. Pure. */

import { checkServerIdentity, type PeerCertificate } from 'node:tls';

import { parseVip } from '../../model/index.js';
import { failed, type Judgement } from '../kinds/kind.js';

const DAY_MS = 86_400_000;
/** What stands before an address in `subjectaltname`. */
const BY_ADDRESS = 'IP Address:';
/** So many names that a certificate is for are told. */
const MOST_NAMES = 3;

export interface Presented {
  readonly certificate: PeerCertificate;
  /** OpenSSL's code, "CERT_HAS_EXPIRED"; undefined: the chain is valid. */
  readonly error?: string | undefined;
}

/** By OpenSSL's codes. What is not here is told by its code. */
const WORDS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown authority, or a certificate of the chain is missing',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown authority, or a certificate of the chain is missing',
  CERT_UNTRUSTED: 'unknown authority',
  CERT_SIGNATURE_FAILURE: 'the signature of the certificate is wrong',
  CERT_REVOKED: 'certificate revoked',
  INVALID_PURPOSE: 'certificate is not for servers',
  INVALID_CA: 'its authority may not issue certificates',
  CERT_CHAIN_TOO_LONG: 'the chain of certificates is too long',
};

/**
 * Returns why a certificate is not valid; undefined: it is.
 *
 * @param name the server name or address that it must be for
 */
export function judgeCertificate({ certificate, error }: Presented, name: string, now: number): Judgement | undefined {
  if (!isThere(certificate)) {
    return failed('L6', 'no certificate');
  }
  // Its own dates tell more than what else is wrong.
  const { from, to } = datesOf(certificate);
  if (to < now) {
    return failed('L6', `certificate expired ${ago(now - to)}`);
  }
  if (from > now) {
    return failed('L6', `certificate not yet valid, but from ${dateText(from)} on`);
  }
  if (error === 'CERT_HAS_EXPIRED' || error === 'CERT_NOT_YET_VALID') {
    const what = error === 'CERT_HAS_EXPIRED' ? 'expired' : 'not yet valid';
    return failed('L6', `a certificate of its authorities is ${what}`);
  }
  if (error !== undefined) {
    return failed('L6', WORDS[error] ?? error.toLowerCase().replaceAll('_', ' '));
  }
  return isFor(name, certificate) ? undefined : failed('L6', `certificate is for ${namesOf(certificate)}, not ${name}`);
}

/** Not for addresses is Node.js asked: Debian 13's takes FD00:0:0:0:0:0:0:1, as OpenSSL spells it, for another than fd00::1. */
function isFor(name: string, certificate: PeerCertificate): boolean {
  const address = parseVip(name);
  return address === undefined
    ? checkServerIdentity(name, certificate) === undefined
    : alternativesOf(certificate).some(
        (each) => each.startsWith(BY_ADDRESS) && parseVip(each.slice(BY_ADDRESS.length)) === address,
      );
}

/** Returns what is to be said of a certificate that expires within so many days. 0: nothing. */
export function expiryWarning(certificate: PeerCertificate, days: number, now: number): string | undefined {
  if (days === 0 || !isThere(certificate)) {
    return undefined;
  }
  const { to } = datesOf(certificate);
  if (to < now) {
    return `certificate expired ${ago(now - to)}`;
  }
  const left = Math.floor((to - now) / DAY_MS);
  return left < days
    ? `certificate expires in ${left === 0 ? 'less than a day' : daysText(left)} (${dateText(to)})`
    : undefined;
}

/** Without a certificate Node gives an empty object. */
function isThere(certificate: Partial<PeerCertificate>): boolean {
  return certificate.raw !== undefined;
}

function datesOf({ valid_from, valid_to }: PeerCertificate): { from: number; to: number } {
  return { from: Date.parse(valid_from), to: Date.parse(valid_to) };
}

function ago(ms: number): string {
  const days = Math.floor(ms / DAY_MS);
  return days === 0 ? 'less than a day ago' : `${daysText(days)} ago`;
}

function daysText(days: number): string {
  return days === 1 ? '1 day' : `${days} days`;
}

function dateText(time: number): string {
  return Number.isFinite(time) ? new Date(time).toISOString().slice(0, 10) : 'an unknown date';
}

function alternativesOf({ subjectaltname = '' }: Partial<PeerCertificate>): readonly string[] {
  return subjectaltname.split(', ');
}

/** The certificate is not trusted: its names are printed only as far as names can go. */
function namesOf(certificate: Partial<PeerCertificate>): string {
  const { subjectaltname, subject } = certificate;
  const names =
    subjectaltname === undefined
      ? [[subject?.CN ?? 'nobody'].flat().join(' ')]
      : alternativesOf(certificate).map((each) => each.replace(/^(DNS|IP Address):/, ''));
  const told = names.slice(0, MOST_NAMES).map((name) => name.replace(/[^\x21-\x7e]/g, '?').slice(0, 60));
  return told.join(', ') + (names.length > MOST_NAMES ? `, ${names.length - MOST_NAMES} more` : '');
}
