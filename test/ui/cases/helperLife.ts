import type { Case } from '../kit.ts';

export const helperLife: readonly Case[] = [];
