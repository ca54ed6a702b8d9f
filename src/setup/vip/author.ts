/** By which commands the files of `beeline vip` are known again. Pure. */

import type { Author } from '../../steps/index.js';

export const AUTHOR: Author = { makes: 'beeline vip add', undoes: 'beeline vip remove' };
