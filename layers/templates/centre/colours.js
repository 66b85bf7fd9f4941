// Classes by the bounds between them, and colours for them.
(function () {
  "use strict";

  function rank(value, breaks) {
    let count = 0;  // a value on a bound belongs to the class that begins there
    while (count < breaks.length && breaks[count] <= value) count++;
    return count;
  }

  function ramp(colours, classes) {
    if (classes <= 1) return [colours[Math.floor(colours.length / 2)]].slice(0, classes);
    const made = [];
    for (let i = 0; i < classes; i++) made.push(colours[Math.round(i * (colours.length - 1) / (classes - 1))]);
    return made;
  }

  function rgb(colour) {
    const number = parseInt(colour.slice(1), 16);
    return [number >> 16, (number >> 8) & 255, number & 255];
  }

  centre.colours = { rank: rank, ramp: ramp, rgb: rgb };
})();
