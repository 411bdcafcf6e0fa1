import type { Case } from '../kit.ts';

export const connect: readonly Case[] = [];
