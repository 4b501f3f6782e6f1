export const runTls = () => Promise.reject(new Error('soon'));
