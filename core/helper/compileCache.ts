/**
 * Node keeps compiled code and stripped TypeScript in the folder that NODE_COMPILE_CACHE names; the service unit names one that only root
 * may write to, for it is code. Without it, or when it is empty yet, every process and thread of ours has the compiler of TypeScript in
 * memory, 10 to 25 MB each. What was compiled is written down before root is given up: afterwards the folder is closed to us.
 */
export function compileCache(): { readonly NODE_COMPILE_CACHE?: string } {
  const folder = process.env.NODE_COMPILE_CACHE;
  return folder === undefined || folder === '' ? {} : { NODE_COMPILE_CACHE: folder };
}
