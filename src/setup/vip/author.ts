/** By which commands the files of `beeline vip` are known again. Pure. */

import type { FileOwner } from '../../steps/index.js';

export const AUTHOR: FileOwner = {
  makes: 'beeline vip add',
  undoes: 'beeline vip remove',
  fileName: 'beeline-vip',
};
