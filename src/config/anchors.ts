/** Anchors and aliases of a YAML document whose parts come and go. */

import { type Document, isAlias, isCollection, isScalar, type Alias, type Node, type Scalar, visit } from 'yaml';

/** The values that a document's aliases stand for, before anything is changed. */
export type Targets = Map<Alias, Node>;

/** Returns what each alias stands for: a name may be given to several values, one after another. */
export function targetsOf(document: Document): Targets {
  const targets: Targets = new Map();
  const named = new Map<string, Node>();
  visit(document, {
    Node: (_key, node) => {
      if (isAlias(node)) {
        const target = named.get(node.source);
        if (target !== undefined) {
          targets.set(node, target);
        }
      } else if ((isScalar(node) || isCollection(node)) && node.anchor !== undefined) {
        named.set(node.anchor, node);
      }
    },
  });
  return targets;
}

/**
 * Gives each alias a value again whose anchor went away: the first one becomes a copy of the value with the anchor, and
 * the others go on to refer to it.
 */
export function moveAnchors(document: Document, targets: Targets): void {
  const named = new Map<string, Node>();
  /** What copies were copied from. */
  const origins = new Map<Node, Node>();
  visit(document, {
    Node: (_key, node) => {
      if (isAlias(node)) {
        const target = targets.get(node);
        // The visitor goes on into the copy, whose own anchors and aliases are looked at like all others.
        return target === undefined || named.get(node.source) === target ? undefined : copyOf(target, targets, origins);
      }
      if ((isScalar(node) || isCollection(node)) && node.anchor !== undefined) {
        named.set(node.anchor, origins.get(node) ?? node);
      }
      return undefined;
    },
  });
}

/** Clones a node, and notes what its parts were copied from and what its aliases stand for. */
function copyOf(node: Node, targets: Targets, origins: Map<Node, Node>): Node {
  const copy = node.clone() as Node;
  const originals = nodesIn(node);
  nodesIn(copy).forEach((each, i) => {
    const original = originals[i]!;
    origins.set(each, origins.get(original) ?? original);
    const target = isAlias(original) ? targets.get(original) : undefined;
    if (target !== undefined && isAlias(each)) {
      targets.set(each, target);
    }
  });
  return copy;
}

function nodesIn(root: Node): Node[] {
  const found: Node[] = [];
  visit(root, {
    Node: (_key, node) => {
      found.push(node);
    },
  });
  return found;
}

/** Replaces every alias by a copy of its value, and removes all anchors. */
export function expandAliases(document: Document): void {
  visit(document, {
    Alias: (_key, alias) => {
      const copy = alias.resolve(document)?.clone() as Node | undefined;
      if (isScalar(copy) || isCollection(copy)) {
        delete copy.anchor;
      }
      return copy;
    },
  });
  visit(document, {
    Node: (_key, node) => {
      if (!isAlias(node)) {
        delete (node as Scalar).anchor;
      }
    },
  });
}
