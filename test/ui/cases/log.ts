import type { Case } from '../kit.ts';

export const log: readonly Case[] = [];
