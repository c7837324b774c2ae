// Sign and size as a colour: orange below zero, blue above, which every kind of colour vision tells apart.

/** The colour of a number relative to the largest. */
export function colourOf(number, largest) {
  const part = Math.round(100 * Math.min(Math.abs(number) / largest, 1));
  return `color-mix(in srgb, var(--${number < 0 ? "low" : "high"}) ${part}%, var(--ground))`;
}

function channels(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

/** The same for a canvas, which knows no variables: numbers → red, green, blue, and that nothing shines through. */
export function painter(largest) {
  const [low, high, ground] = ["--low", "--high", "--ground"].map(channels);
  return (number) => {
    const part = Math.min(Math.abs(number) / largest, 1);
    const end = number < 0 ? low : high;
    return [...end.map((channel, i) => Math.round(ground[i] + part * (channel - ground[i]))), 255];
  };
}
