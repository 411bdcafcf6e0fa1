// What a window would do with its shell, made visible: every event as a line.
const out = document.querySelector('#events');
window.seen = [];
window.sallyport.listen((event) => {
  window.seen.push(event);
  out.textContent += `${JSON.stringify(event)}\n`;
});
document.documentElement.dataset.ready = 'yes';
