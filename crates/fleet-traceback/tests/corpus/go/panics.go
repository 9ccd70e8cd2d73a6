package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

type loader struct{ seed int }

func (l *loader) load(names []string) string { return names[l.seed] }

func main() {
	seed, _ := strconv.Atoi(os.Args[2])
	var none *loader
	fmt.Println("begin")
	switch os.Args[1] {
	case "index":
		(&loader{seed}).load([]string{"a"})
	case "nil":
		none.load(nil)
	case "error":
		panic(fmt.Errorf("job %d: %w", seed, errors.New("no space left on device")))
	case "again":
		defer func() {
			panic(fmt.Sprintf("while cleaning up after %v", recover()))
		}()
		panic("first")
	case "goroutine":
		done := make(chan int)
		for n := 0; n < 2; n++ {
			go func() { <-done }()
		}
		go func() { panic("worker " + os.Args[2]) }()
		<-done
	}
}
