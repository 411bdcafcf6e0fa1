import type { Case } from '../kit.ts';

export const failures: readonly Case[] = [];
