// Classes by upper bounds and colours for them.
(function () {
  "use strict";

  function rank(value, breaks) {
    for (let i = 0; i < breaks.length; i++) if (value <= breaks[i]) return i;
    return breaks.length - 1;
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
