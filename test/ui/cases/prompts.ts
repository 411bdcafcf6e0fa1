import type { Case } from '../kit.ts';

export const prompts: readonly Case[] = [];
