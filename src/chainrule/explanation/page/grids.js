// Where the elements of an array lie in a picture of cells.
import { countOf, data } from "./arrays.js";

const LONGEST = 24; // a vector of more is laid out as a square

/** The cells of an array: as many columns as its last axis has, a long one lying on its side. */
export function gridOfArray(key) {
  const { shape } = data.arrays[key];
  const size = countOf(key);
  const last = shape.at(-1) ?? 1;
  const rows = size / last;
  if (rows === 1 && last > LONGEST) return square(size);
  if (rows <= 2 * last) return { rows, columns: last, at: ([i, j]) => i * last + j, cell: (n) => [Math.floor(n / last), n % last] };
  return { rows: last, columns: rows, at: ([i, j]) => j * last + i, cell: (n) => [n % last, Math.floor(n / last)] };
}

/** So many cells as a square, or nearly one; `at` gives -1 behind the last. */
export function square(size) {
  const columns = Math.ceil(Math.sqrt(size));
  const at = ([i, j]) => (i * columns + j < size ? i * columns + j : -1);
  return { rows: Math.ceil(size / columns), columns, at, cell: (n) => [Math.floor(n / columns), n % columns] };
}
