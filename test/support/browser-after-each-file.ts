import { afterAll } from 'vitest';
import { closeBrowsers } from './browser.js';

afterAll(closeBrowsers);
